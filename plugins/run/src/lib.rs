//! Bundled phase: run.

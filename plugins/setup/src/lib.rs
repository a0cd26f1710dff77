//! Bundled phase: setup.

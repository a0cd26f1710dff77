//! Bundled phase: experiment.

//! Bundled phase: evaluate.

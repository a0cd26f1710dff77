//! Bundled phase: workflow.

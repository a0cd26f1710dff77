//! Bundled phase: visualize.

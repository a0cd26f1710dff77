//! Bundled phase: publish.

//! Bundled phase: trigger.

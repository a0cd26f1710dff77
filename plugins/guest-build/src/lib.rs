//! Builds guest components from a build script.

//! Guest SDK: write a phase plugin.

//! Tests of the parts together, in one binary, which links once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

mod cases;
mod contract;
mod deploy;
mod determinism;
mod neighbours;

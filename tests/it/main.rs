//! Tests of the parts together, in one binary, which links once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

mod cases;
mod contract;
mod defects;
mod deploy;
mod determinism;
mod neighbours;
mod prying;
mod requests;

/// Says that a test is skipped: past the test harness, which keeps to itself what a test that passes prints.
fn skipped(why: &str) {
    use std::io::Write as _;
    let line = format!("skipped: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

//! Builds the guests; `src/lib.rs` includes what comes out.

use std::process::ExitCode;

fn main() -> ExitCode {
    testbench_guest_build::main(&[
        "testbench-guest-echo",
        "testbench-guest-prying",
        "testbench-example-red-team",
    ])
}

//! Builds the bundled phases; `src/lib.rs` includes what comes out.

use std::process::ExitCode;

fn main() -> ExitCode {
    testbench_guest_build::main(&[
        "testbench-plugin-experiment",
        "testbench-plugin-workflow",
        "testbench-plugin-setup",
        "testbench-plugin-run",
        "testbench-plugin-evaluate",
        "testbench-plugin-publish",
        "testbench-plugin-visualize",
        "testbench-plugin-trigger",
        "testbench-plugin-template",
    ])
}

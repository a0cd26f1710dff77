use std::path::PathBuf;
use std::process::ExitCode;

use testbench_operator::plugin_controller::compile::run_child;

/// What the operator starts to compile a component.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component.
    wasm: PathBuf,
    /// The file for its native code.
    native: PathBuf,
}

/// The name under which the operator starts it.
pub(crate) const NAME: &str = "compile-component";

pub(crate) fn run(args: &Args) -> ExitCode {
    ExitCode::from(run_child(&args.wasm, &args.native))
}

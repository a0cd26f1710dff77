//! The `testbench` command.

mod compile;
mod config;
mod controller;
mod crd;
mod plugin;
mod plugins;
mod render;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbench_core::error::with_causes;

/// What a command comes to; the process's exit code says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// 0: everything is well.
    Good,
    /// 1: an Experiment is invalid, or a plugin does not do what its cases expect.
    Invalid,
}

/// Why a command could not do its work: exit code 2, as for bad usage.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct CommandError(#[from] Box<dyn std::error::Error + Send + Sync>);

/// Evaluate AI agents on Kubernetes: one Experiment becomes a ConfigMap, a Testkube TestWorkflow and a TestTrigger.
#[derive(Debug, Parser)]
#[command(name = "testbench", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(name = compile::NAME, hide = true)]
    Compile(compile::Args),
    Controller(controller::Args),
    Render(render::Args),
    Plugin(plugin::Args),
    /// Print the CustomResourceDefinitions.
    Crd,
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let verdict = match command {
        Command::Compile(args) => return compile::run(&args),
        Command::Controller(args) => controller::run(args),
        Command::Render(args) => render::run(args),
        Command::Plugin(args) => plugin::run(args),
        Command::Crd => crd::run(),
    };
    match verdict {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Invalid) => ExitCode::from(1),
        Err(CommandError(error)) => {
            eprintln!("error: {}", with_causes(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

/// Makes any error one of a command.
fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CommandError {
    CommandError(error.into())
}

/// Writes to standard output.
fn print(text: &str) -> Result<(), CommandError> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(failed),
    }
}

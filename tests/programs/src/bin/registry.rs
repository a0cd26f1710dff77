//! A registry by hand: prints where it listens, and keeps it until standard input ends.

use std::io::{Read, Write};
use std::process::ExitCode;

use testbench_test_programs::Registry;

fn main() -> ExitCode {
    let registry = match Registry::start() {
        Ok(registry) => registry,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut stdout = std::io::stdout();
    // Nobody may be there to read it; then the end of the input says so, too.
    let _ = writeln!(stdout, "{}", registry.host()).and_then(|()| stdout.flush());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

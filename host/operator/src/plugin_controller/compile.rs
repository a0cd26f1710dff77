//! Compiling in a process of its own: how long it takes, and how much memory, is up to whoever made the component.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use testbench_core::error::with_causes;
use testbench_engine::native;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::cache::replace;

/// Address space of the compiler, in bytes. 18 MB of component take about 350 MiB of memory; the rest is address space that threads
/// and allocators reserve.
const ADDRESS_SPACE: u64 = 4 << 30;
/// Seconds that it may compute.
const CPU_SECONDS: u64 = 120;
/// Time that it may take, whatever it does.
const WALL: Duration = Duration::from_secs(180);
/// What is kept of what it says.
const LONGEST_MESSAGE: usize = 4 << 10;

/// Starts this program, or another one that ends in [`run_child`].
#[derive(Debug)]
pub struct Compiler {
    command: Vec<OsString>,
    /// One at a time: a second one would only take the memory that the first needs.
    turn: Mutex<()>,
}

impl Compiler {
    /// `command` is program and arguments of a process that calls [`run_child`].
    #[must_use]
    pub fn new(command: Vec<OsString>) -> Self {
        Self {
            command,
            turn: Mutex::default(),
        }
    }

    /// Compiles the component in `wasm` into the file `native`.
    ///
    /// # Errors
    ///
    /// What the compiler says, or which limit it reached.
    pub async fn compile(&self, wasm: &Path, native: &Path) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let Some((program, arguments)) = self.command.split_first() else {
            return Err("there is no compiler".to_owned());
        };
        let failed = |error: std::io::Error| format!("failed to run the compiler: {error}");
        let child = Command::new(program)
            .args(arguments)
            .args([wasm, native])
            // It needs nothing of what the operator knows.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let ended = tokio::time::timeout(WALL, child.wait_with_output()).await;
        let output = ended
            .map_err(|_elapsed| format!("compiling took longer than {} s", WALL.as_secs()))?
            .map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(LONGEST_MESSAGE).collect();
        Err(match output.status.code() {
            Some(REFUSED) => said,
            _ => format!(
                "the compiler ended by {}; it may use {CPU_SECONDS} s and {} MiB: {said}",
                output.status,
                ADDRESS_SPACE >> 20
            ),
        })
    }
}

/// Exit code of a compiler that refuses a component, and says why.
const REFUSED: i32 = 3;

/// What the compiler's process does: limits itself, and compiles the component in `wasm` into the file `native`. Gives the exit code.
#[must_use]
pub fn run_child(wasm: &Path, native: &Path) -> u8 {
    let say = |message: String| {
        // Nobody listens any more, most likely.
        let _ = std::io::stderr().write_all(message.as_bytes());
    };
    for (resource, limit) in [
        (Resource::As, ADDRESS_SPACE),
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        if let Err(error) = setrlimit(resource, limit) {
            say(format!("failed to limit the compiler: {error}"));
            return 1;
        }
    }
    let mut bytes = Vec::new();
    let read = std::fs::File::open(wasm).and_then(|mut file| file.read_to_end(&mut bytes));
    if let Err(error) = read {
        say(format!("failed to read {}: {error}", wasm.display()));
        return 1;
    }
    match native::compile(&bytes) {
        Ok(code) => match replace(native, &code) {
            Ok(()) => 0,
            Err(error) => {
                say(format!("failed to write {}: {error}", native.display()));
                1
            }
        },
        Err(error) => {
            say(with_causes(&error));
            REFUSED as u8
        }
    }
}

//! Compiling in a process of its own: how long it takes, and how much memory, is up to whoever made the component.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testbench_core::error::with_causes;
use testbench_engine::native;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::cache::replace;

/// Memory of the compiler, in bytes: 18 MB of component take about 350 MiB. Some kilobytes can take as much as there is, and with it
/// the operator, whose container ends as a whole.
const MEMORY: u64 = 1 << 30;
/// Its address space, in bytes: what threads and allocators reserve counts too.
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
                "the compiler ended by {}; it may use at most {CPU_SECONDS} s and {} MiB, and large functions with many \
                 variables take most: split them: {said}",
                output.status,
                MEMORY >> 20
            ),
        })
    }
}

/// Limits this process to `limit`, or to less where somebody has done so: nobody may raise that.
fn lower(resource: Resource, limit: u64) -> rustix::io::Result<()> {
    let given = getrlimit(resource).maximum;
    let limit = Some(given.map_or(limit, |given| given.min(limit)));
    setrlimit(
        resource,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )
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
        (Resource::Data, MEMORY),
        (Resource::As, ADDRESS_SPACE),
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Core, 0),
    ] {
        if let Err(error) = lower(resource, limit) {
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

//! Programs that run while this process does.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use super::StartError;

/// As much of a log as a person reads to find out why.
const LAST_LINES: usize = 15;

/// Children, killed when this is dropped: their data is of no use to anybody.
#[derive(Debug)]
pub(super) struct Processes {
    folder: PathBuf,
    running: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// A program that ended, though it should not.
pub(super) struct Ended {
    name: &'static str,
    status: String,
    log: String,
}

impl Ended {
    /// Somebody else took the port between our looking for a free one and the program's taking it.
    pub(super) fn port_taken(&self) -> bool {
        self.log.contains("address already in use")
    }
}

impl From<Ended> for StartError {
    fn from(Ended { name, status, log }: Ended) -> Self {
        Self(format!(
            "expected {name} to run, but it ended ({status}); its log ends with\n{log}"
        ))
    }
}

impl Processes {
    /// None yet; logs go to `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            running: Vec::new(),
        }
    }

    pub(super) fn start(
        &mut self,
        name: &'static str,
        program: &Path,
        arguments: &[String],
    ) -> Result<(), StartError> {
        let log = self.folder.join(format!("{name}.log"));
        let child = self.spawn(program, arguments, &log).map_err(|error| {
            StartError(format!("failed to start {}: {error}", program.display()))
        })?;
        self.running.push(Process { name, child, log });
        Ok(())
    }

    fn spawn(&self, program: &Path, arguments: &[String], log: &Path) -> io::Result<Child> {
        let output = File::create(log)?;
        Command::new(std::env::current_exe()?)
            .arg(TIED)
            .arg(std::process::id().to_string())
            .arg(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
    }

    /// The first that no longer runs.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        self.running.iter_mut().find_map(|process| {
            let status = match process.child.try_wait() {
                Ok(None) => return None,
                Ok(Some(status)) => status.to_string(),
                Err(error) => error.to_string(),
            };
            Some(Ended {
                name: process.name,
                status,
                log: last_lines(&process.log),
            })
        })
    }

    /// What all of them said last.
    pub(super) fn logs(&self) -> String {
        let log = |process: &Process| format!("{}:\n{}", process.name, last_lines(&process.log));
        self.running.iter().map(log).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The last started first, so that none logs that it lost another; all killed before any is waited for.
        for process in self.running.iter_mut().rev() {
            // Fails only for one that has ended.
            let _ = process.child.kill();
        }
        for process in &mut self.running {
            let _ = process.child.wait();
        }
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_else(|error| format!("no log: {error}"));
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// The command of the binary that becomes a program tied to its parent: see [`tied`].
pub(super) const TIED: &str = "tied";

/// Becomes `program`, which the kernel kills when the process `parent` is gone, so that not even a killed supervisor
/// leaves one behind. (Linux only. Elsewhere a killed supervisor does, but a killed test does not.)
///
/// A step of its own before the program, because it has to run in the child, and to do that in the parent's image after a
/// fork would be unsafe code.
#[must_use]
pub fn tied(parent: u32, program: &Path, arguments: &[String]) -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            eprintln!("failed to tie {} to its parent: {error}", program.display());
            return ExitCode::FAILURE;
        }
        // The parent may have gone before it was to be watched.
        if getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs()) != Some(parent) {
            return ExitCode::FAILURE;
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    let error = Command::new(program).args(arguments).exec();
    eprintln!("failed to run {}: {error}", program.display());
    ExitCode::FAILURE
}

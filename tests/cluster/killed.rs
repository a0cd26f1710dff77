//! Nothing is left of a control plane, however the process ends that started it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use testbench_tests::control_plane::poll;

use super::{LIMIT, binary};

/// A process with a control plane, whose every file is in one folder.
struct Runner {
    process: Child,
    temporary: TempDir,
}

impl Runner {
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let process = Command::new(binary())
            .arg("up")
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, temporary }
    }

    fn wait_until_it_is_up(&mut self) {
        let mut line = String::new();
        let stdout = self.process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(Path::new(line.trim()).is_file(), "no kubeconfig: {line:?}");
    }

    /// With SIGKILL, which no process sees coming.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Those that name one of its files, and the supervisor, which names none.
    fn processes(&self) -> Vec<Process> {
        let here = self.temporary.path().to_str().unwrap();
        let all = processes();
        let programs = all.iter().filter(|process| process.command.contains(here));
        let supervisor = all
            .iter()
            .filter(|process| process.parent == self.process.id());
        programs.chain(supervisor).cloned().collect()
    }

    fn program(&self, name: &str) -> Option<Process> {
        self.processes()
            .into_iter()
            .find(|process| process.command.contains(name))
    }

    async fn expect_no_longer_running(&self, started: &[Process]) {
        let here = self.temporary.path().to_str().unwrap();
        // A supervisor that lost its parent is told by its id alone.
        let ids: Vec<_> = started.iter().map(|process| process.id).collect();
        let mut left = Vec::new();
        let gone = poll(LIMIT, async || {
            left = processes();
            left.retain(|process| ids.contains(&process.id) || process.command.contains(here));
            left.is_empty().then_some(())
        });
        assert!(gone.await.is_some(), "still running: {left:#?}");
    }

    async fn expect_no_files(&self) {
        let gone = poll(LIMIT, async || (self.files() == 0).then_some(()));
        assert!(gone.await.is_some(), "files are left");
    }

    fn files(&self) -> usize {
        fs::read_dir(self.temporary.path()).unwrap().count()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    id: u32,
    parent: u32,
    command: String,
}

/// All that run. One that has ended but was not waited for yet has no command.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap();
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        (!command.is_empty()).then_some(Process {
            id,
            parent: parent.trim().parse().ok()?,
            command,
        })
    })
    .collect()
}

#[tokio::test]
async fn nothing_is_left_of_a_killed_runner() {
    let mut runner = Runner::start();
    runner.wait_until_it_is_up();
    let started = runner.processes();
    assert_eq!(started.len(), 4, "{started:#?}");
    assert_eq!(runner.files(), 1);

    runner.kill();
    runner.expect_no_longer_running(&started).await;
    runner.expect_no_files().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_runner_killed_while_it_starts() {
    let mut runner = Runner::start();
    let starting = poll(LIMIT, async || runner.program("kube-apiserver --"));
    assert!(starting.await.is_some(), "no API server was started");
    let started = runner.processes();

    runner.kill();
    runner.expect_no_longer_running(&started).await;
    runner.expect_no_files().await;
}

/// Its folder stays, and nobody is there to remove it; but no program runs on.
#[tokio::test]
async fn no_program_outlives_a_killed_supervisor() {
    let mut runner = Runner::start();
    runner.wait_until_it_is_up();
    let supervisor = runner.program(" supervise").unwrap();
    let programs = runner.processes();
    let killed = Command::new("kill")
        .args(["-KILL", &supervisor.id.to_string()])
        .status();
    assert!(killed.unwrap().success());
    runner.expect_no_longer_running(&programs).await;
}

#[tokio::test]
async fn the_end_of_standard_input_ends_it() {
    let mut runner = Runner::start();
    runner.wait_until_it_is_up();
    drop(runner.process.stdin.take());
    assert!(runner.process.wait().unwrap().success());
    assert_eq!(runner.files(), 0);
}

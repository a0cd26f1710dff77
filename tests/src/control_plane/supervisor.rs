//! The process that owns the control plane.
//!
//! A test that is killed cleans up nothing, so nothing is its to clean up: it starts a supervisor, and the supervisor starts
//! the programs and makes the folder. A pipe ties the two: the kernel closes the test's end however the test ends, and the
//! supervisor, which reads the other, then kills the programs and removes the folder.

use std::io::{Read, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Duration, interval};

use super::launch::{Ports, launch};
use super::{Answer, StartError};

/// The command of the binary that becomes a supervisor: see [`supervise`].
pub(super) const SUPERVISE: &str = "supervise";

/// Starts a control plane, says on standard output how to reach it (one line of JSON), keeps it until standard input
/// ends, and leaves nothing behind. `ports` are tried first, where there are any.
#[must_use]
pub fn supervise(ports: Option<Ports>) -> ExitCode {
    // On one thread: the kernel kills the programs when the thread that started them ends, not only with the process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let supervised = match runtime {
        Ok(runtime) => runtime.block_on(supervised(ports)),
        Err(error) => Err(StartError(format!("failed to start a runtime: {error}"))),
    };
    match supervised {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            answer(&Answer::Failed(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

async fn supervised(ports: Option<Ports>) -> Result<(), StartError> {
    let failed = |error| StartError(format!("failed to watch for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let gone = end_of_input();
    let ended = async {
        tokio::select! {
            _ = gone => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(ended);

    // Dropped half-way, it leaves as little behind as in the end.
    let mut launched = tokio::select! {
        launched = launch(ports) => launched?,
        () = &mut ended => return Ok(()),
    };
    answer(&Answer::Running(launched.running.clone()));
    let mut look = interval(Duration::from_secs(1));
    let mut reported = false;
    loop {
        tokio::select! {
            () = &mut ended => return Ok(()),
            _ = look.tick(), if !reported => if let Some(error) = launched.ended() {
                // The tests only see refused connections.
                eprintln!("control plane: {error}");
                reported = true;
            },
        }
    }
}

/// Nobody may be there to read it; then the end of the input says so, too.
fn answer(answer: &Answer) {
    if let Ok(line) = serde_json::to_string(answer) {
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

/// Resolves when whoever started this process is gone.
pub(super) fn end_of_input() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    // A thread, because reading standard input cannot be given up: it ends with the process.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 64];
        while matches!(stdin.read(&mut buffer), Ok(read) if read > 0) {}
        let _ = sender.send(());
    });
    receiver
}

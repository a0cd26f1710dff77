//! A real registry, as a process.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use super::{StartError, built};

/// Runs its arguments until its input ends. A test that is killed cleans up nothing, but the kernel closes its end of a pipe.
/// The error output is the program's alone, so that its end is the program's.
const TIED: &str = r#"
"$@" </dev/null &
exec 2>/dev/null
cat
kill $!
wait
"#;

/// An empty registry on loopback, without TLS or passwords, which keeps everything in memory: until this is dropped or this
/// process ends, however it does.
#[derive(Debug)]
pub struct Registry {
    tied: Child,
    port: u16,
    crane: PathBuf,
}

impl Registry {
    /// Returns when it listens.
    ///
    /// # Errors
    ///
    /// Where the programs are missing (then it says what to do), or the registry ends at once (then it shows its log).
    pub fn start() -> Result<Self, StartError> {
        let built = built("registry.sh")?;
        let [registry, crane] = ["registry", "crane"].map(|name| built.join(name));
        for program in [&registry, &crane] {
            if !program.is_file() {
                let program = program.display();
                return Err(StartError(format!(
                    "expected the program {program}, but it is not there: run `make registry`, which builds it"
                )));
            }
        }
        let mut tied = tied(&registry, &["-port", "0"]).map_err(|error| {
            StartError(format!("failed to start {}: {error}", registry.display()))
        })?;
        let log = tied.stderr.take().map(BufReader::new);
        let registry = |port| Self { tied, port, crane };
        match log.map(port) {
            Some(Ok(port)) => Ok(registry(port)),
            Some(Err(log)) => {
                drop(registry(0));
                Err(StartError(format!(
                    "expected the registry to say on which port it serves, found {log:?}"
                )))
            }
            None => Err(StartError("the registry has no log".to_owned())),
        }
    }

    /// Where it listens: `127.0.0.1:<port>`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client of registries that is not ours.
    #[must_use]
    pub fn crane(&self) -> &Path {
        &self.crane
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.tied.stdin.take());
        let _ = self.tied.wait();
    }
}

fn tied(program: &Path, arguments: &[&str]) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", TIED, "tied"])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Away from the terminal's process group: what Ctrl-C ends is this process, and that closes the pipe.
        .process_group(0)
        .spawn()
}

/// The port that the log names, or all of a log that names none.
fn port(mut log: BufReader<ChildStderr>) -> Result<u16, String> {
    let mut text = String::new();
    while matches!(log.read_line(&mut text), Ok(read) if read > 0) {
        let last = text.lines().last().unwrap_or_default();
        if let Some((_, port)) = last.split_once("serving on port ") {
            let port = port.parse().map_err(|_| text.clone());
            drain(log);
            return port;
        }
    }
    Err(text)
}

/// It logs every request, and would stand still once nobody reads that.
fn drain(mut log: BufReader<ChildStderr>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while matches!(log.read(&mut buffer), Ok(read) if read > 0) {}
    });
}

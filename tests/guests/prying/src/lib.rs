//! Test guest: tries everything that a plugin must not be able to do, and says what came of it.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use serde::Deserialize;
use serde_json::{Value, json};
use testbench_plugin_sdk::bindings::exports::testbench::phase::generator::Guest;
use testbench_plugin_sdk::bindings::testbench::phase::types::{Contribution, Request};
use testbench_plugin_sdk::{Descriptor, Failure};

/// What is there outside of the sandbox.
#[derive(Deserialize)]
struct Settings {
    /// A file, in a folder that can be written to.
    file: PathBuf,
    /// A port of this machine at which somebody listens.
    port: u16,
}

/// The component.
#[derive(Debug)]
pub struct Prying;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl Guest for Prying {
    fn describe() -> Descriptor {
        Descriptor::new("prying", env!("CARGO_PKG_VERSION"))
    }

    fn generate(request: Request) -> Result<Contribution, Failure> {
        let settings = serde_json::from_str(&request.settings)
            .map_err(|error| Failure::rejected("Settings", error.to_string()))?;
        let workflow = json!({"sees": sees(), "can": can(&settings)});
        Ok(Contribution {
            workflow: Some(workflow.to_string()),
            objects: Vec::new(),
            diagnostics: Vec::new(),
            ext: None,
        })
    }
}

/// What differs between machines, runs and moments elsewhere.
fn sees() -> Value {
    let start = Instant::now();
    thread::sleep(YEAR);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    json!({
        "arguments": env::args().collect::<Vec<_>>(),
        "environment": env::vars().collect::<Vec<_>>(),
        "now": now.map(|now| now.as_secs()).unwrap_or_default(),
        "slept": start.elapsed() >= YEAR,
        "random": RandomState::new().hash_one(0),
    })
}

/// Everything that it was able to do.
fn can(Settings { file, port }: &Settings) -> Vec<&'static str> {
    let folder = file.parent().unwrap_or(file);
    let attempts = [
        ("read a file", fs::read(file).is_ok()),
        ("list a folder", fs::read_dir(folder).is_ok()),
        ("list its own folder", fs::read_dir(".").is_ok()),
        ("write a file", fs::write(folder.join("new"), "").is_ok()),
        ("connect", TcpStream::connect(("127.0.0.1", *port)).is_ok()),
        ("listen", TcpListener::bind(("127.0.0.1", 0)).is_ok()),
        ("send", UdpSocket::bind(("127.0.0.1", 0)).is_ok()),
        (
            "look up a name",
            ("localhost", *port).to_socket_addrs().is_ok(),
        ),
        ("run a program", Command::new("/bin/sh").spawn().is_ok()),
        (
            "start a thread",
            thread::Builder::new().spawn(|| ()).is_ok(),
        ),
    ];
    let able = attempts.into_iter().filter(|(_, was_able)| *was_able);
    able.map(|(what, _)| what).collect()
}

#[cfg(target_arch = "wasm32")]
testbench_plugin_sdk::bindings::export!(Prying with_types_in testbench_plugin_sdk::bindings);

//! No registry outlives who started it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testbench_test_programs::Registry;

/// How long the kernel and two small programs may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn listens(host: &str) -> bool {
    let address: SocketAddr = host.parse().unwrap();
    match TcpStream::connect(address) {
        Ok(_) => true,
        // In the moment in which it ends.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
            false
        }
    }
}

fn assert_gone(host: &str) {
    let start = Instant::now();
    while listens(host) {
        assert!(start.elapsed() < LIMIT, "{host} still listens");
        thread::yield_now();
    }
}

fn started_by_another() -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_registry"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut host = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut host)
        .unwrap();
    (child, host.trim().to_owned())
}

#[test]
fn it_ends_when_it_is_dropped() {
    let registry = Registry::start().unwrap();
    let host = registry.host();
    assert!(listens(&host));
    drop(registry);
    assert_gone(&host);
}

#[test]
fn it_ends_when_its_owner_is_killed() {
    let (mut owner, host) = started_by_another();
    assert!(listens(&host));
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_gone(&host);
}

#[test]
fn by_hand_it_ends_with_the_input() {
    let (mut owner, host) = started_by_another();
    assert!(listens(&host));
    drop(owner.stdin.take());
    assert!(owner.wait().unwrap().success());
    assert_gone(&host);
}

//! An API server of a few canned answers, over plain HTTP. It keeps nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const GROUP: &str = "testbench.agentic-layer.ai";

/// What is there for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installed {
    /// Everything, and the Experiment `one/wrong`, which makes no sense.
    Well,
    Nothing,
    AnotherVersion,
    WithoutRights,
}

pub(crate) struct ApiServer {
    address: SocketAddr,
    read: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// Its threads end with the test binary.
    pub(crate) fn start(installed: Installed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let read = Arc::new(Mutex::new(Vec::new()));
        let noted = read.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let noted = noted.clone();
                std::thread::spawn(move || serve(&stream, installed, &noted));
            }
        });
        Self { address, read }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for what `look` sees in the paths that were read.
    pub(crate) fn until_read<T>(&self, look: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + super::LIMIT;
        loop {
            let read = self.read.lock().unwrap().clone();
            if let Some(seen) = look(&read) {
                return seen;
            }
            assert!(Instant::now() < deadline, "only this was read: {read:#?}");
            std::thread::sleep(Duration::from_millis(25));
        }
    }
}

/// Until the other side hangs up.
fn serve(stream: &TcpStream, installed: Installed, noted: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    while let Some((target, body)) = request(&mut reader) {
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if body.is_null() {
            noted.lock().unwrap().push(path.to_owned());
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let answer = if query.contains("watch=true") {
            // It brings nothing, ever.
            format!("{head}Transfer-Encoding: chunked\r\n\r\n")
        } else {
            let body = answer(path, body, installed).to_string();
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
        };
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Path with query, and what was sent.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Value)> {
    let mut line = String::new();
    let mut next = || {
        line.clear();
        let read = reader.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let target = next()?.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let header = next()?.to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, serde_json::from_slice(&body).unwrap_or_default()))
}

fn answer(path: &str, sent: Value, installed: Installed) -> Value {
    if path == "/apis" {
        return groups(installed);
    }
    if path.ends_with("/selfsubjectaccessreviews") {
        let mut review = sent;
        review["status"] = json!({"allowed": installed != Installed::WithoutRights});
        return review;
    }
    if !sent.is_null() {
        return written(path, sent);
    }
    let items = if path.ends_with("/namespaces/one/experiments") {
        vec![wrong()]
    } else {
        Vec::new()
    };
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

fn groups(installed: Installed) -> Value {
    let group = |version: &str| {
        let version = json!({"groupVersion": format!("{GROUP}/{version}"), "version": version});
        json!({"name": GROUP, "versions": [version], "preferredVersion": version})
    };
    let groups = match installed {
        Installed::Nothing => Vec::new(),
        Installed::AnotherVersion => vec![group("v9")],
        Installed::Well | Installed::WithoutRights => vec![group("v1alpha1")],
    };
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn written(path: &str, mut object: Value) -> Value {
    if path.ends_with("/experiments/wrong/status") {
        let status = object["status"].take();
        object = wrong();
        object["status"] = status;
    }
    object["metadata"]["resourceVersion"] = json!("2");
    object
}

fn wrong() -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Experiment",
        "metadata": {"name": "wrong", "namespace": "one", "uid": "1", "resourceVersion": "1", "generation": 1},
        "spec": {
            "agentRef": {"name": "bot"}, "scenarios": [{"name": "a", "steps": [{"input": "Hello"}]}],
            "schedule": {"cron": "never"},
        },
    })
}

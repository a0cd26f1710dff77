//! The scripts inside the templates, run as the phase image runs them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use super::template;

/// Serves `answer` to the first who asks, and says where.
fn serve(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/set.json?token=hidden",
        listener.local_addr().unwrap()
    );
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let request = BufReader::new(&stream).lines();
        for line in request.map_while(Result::ok) {
            if line.is_empty() {
                break;
            }
        }
        // Whoever has seen enough hangs up.
        (&stream).write_all(&answer).ok();
    });
    url
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// The image's entry point is a Python as well.
fn python() -> Option<Command> {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        crate::skipped("there is no python3 to run the script of setup-template");
    }
    found.then(|| Command::new("python3"))
}

fn fetch(mut python: Command, url: &str, target: &Path) -> Output {
    let setup = template("setup-template");
    let step = &setup["spec"]["steps"][0]["run"];
    let args = step["args"].as_array().unwrap();
    for arg in args {
        match arg.as_str().unwrap() {
            "{{ config.datasetUrl }}" => python.arg(url),
            "/data/datasets/experiment.json" => python.arg(target),
            other => python.arg(other),
        };
    }
    python.env_remove("http_proxy").output().unwrap()
}

#[test]
fn a_dataset_is_fetched_as_it_is() {
    let Some(mut python) = python() else { return };
    python.arg("-W").arg("error");
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("datasets/experiment.json");
    let body = r#"{ "scenarios": [{"name": "ü {{ x }}", "steps": []}], "more": 1.0 }"#;
    let output = fetch(python, &serve(ok(body.as_bytes())), &target);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(&target).unwrap(), body);
    let left = fs::read_dir(target.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "nothing half written stays");
}

#[test]
fn what_is_no_dataset_is_refused_and_an_earlier_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("local.json");
    fs::write(&file, r#"{"scenarios": []}"#).unwrap();
    let file_url = format!("file://{}", file.display());
    let target = dir.path().join("experiment.json");
    fs::write(&target, "earlier").unwrap();
    for (url, says) in [
        (serve(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()), "404"),
        (serve(b"nonsense\r\n\r\n".to_vec()), "failed to fetch"),
        (serve(ok(b"{\"scenarios\": [")), "failed to fetch"),
        (serve(ok(b"\xff\xfe")), "failed to fetch"),
        (serve(ok(b"[]")), "no experiment"),
        (serve(ok(b"{\"scenarios\": {}}")), "no experiment"),
        (serve(ok(&vec![b' '; (64 << 20) + 1])), "larger than"),
        (serve(redirect(&file_url)), "failed to fetch"),
        (serve(redirect("ftp://127.0.0.1/a")), "failed to fetch"),
        (file_url.clone(), "unknown url type: file"),
        ("data:,{}".to_owned(), "unknown url type: data"),
        ("ftp://127.0.0.1/a".to_owned(), "unknown url type: ftp"),
        ("-c".to_owned(), "failed to fetch"),
        (
            "http://127.0.0.1:1/a?token=hidden".to_owned(),
            "failed to fetch",
        ),
        ("http://a b/".to_owned(), "failed to fetch"),
    ] {
        let Some(python) = python() else { return };
        let output = fetch(python, &url, &target);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{url}: {stderr}");
        assert!(stderr.contains(says), "{url}: {stderr}");
        assert!(!stderr.contains("Traceback"), "{url}: {stderr}");
        assert!(!stderr.contains("hidden"), "{url}: {stderr}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "earlier", "{url}");
    }
}

/// Base URL and key that the evaluation gets from the gateway's and from the Experiment's own, where there are any.
fn evaluated_with(gateway: [&str; 2], own: [Option<&str>; 2]) -> String {
    let evaluate = template("evaluate-template");
    let step = &evaluate["spec"]["steps"][0]["run"];
    let dir = tempfile::tempdir().unwrap();
    let stub = "#!/bin/sh\nprintf '%s|%s|%s' \"$OPENAI_BASE_URL\" \"$OPENAI_API_KEY\" \"$*\"\n";
    let uv = dir.path().join("uv");
    fs::write(&uv, stub).unwrap();
    let chmod = Command::new("chmod").arg("+x").arg(&uv).status().unwrap();
    assert!(chmod.success());

    let mut shell = Command::new("/bin/sh");
    shell.args(["-e", "-c", step["shell"].as_str().unwrap()]);
    shell.env_clear().env("PATH", dir.path());
    for variable in step["env"].as_array().unwrap() {
        let value = match variable["value"].as_str().unwrap() {
            "{{ config.openAiBasePath }}" => gateway[0],
            "{{ config.openAiApiKey }}" => gateway[1],
            other => other,
        };
        shell.env(variable["name"].as_str().unwrap(), value);
    }
    for (name, value) in ["OPENAI_BASE_URL", "OPENAI_API_KEY"].iter().zip(own) {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_gateway_is_preferred_and_the_users_own_model_gets_through() {
    const ARGS: &str = "run python3 -m testbench.evaluate";
    let own = [Some("http://own"), Some("own-key")];
    let hostile = "$(touch /tmp/x)`id`\"; exit 1; \"";
    for (gateway, own, expected) in [
        (
            ["http://gateway", "testbench"],
            own,
            "http://gateway|testbench",
        ),
        (["", ""], own, "http://own|own-key"),
        (["http://gateway", ""], own, "http://gateway|own-key"),
        (["", "given"], own, "http://own|given"),
        (["", ""], [None, None], "|"),
        (
            [hostile, ""],
            [None, Some(hostile)],
            &format!("{hostile}|{hostile}"),
        ),
    ] {
        assert_eq!(evaluated_with(gateway, own), format!("{expected}|{ARGS}"));
    }
}

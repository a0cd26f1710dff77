//! The options of `testbench controller`, as a process. What it does in a cluster is shown on a real one (`tests/cluster/`); here an
//! API server of a few canned answers hears what is asked.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

mod canned;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use self::canned::{ApiServer, Installed};

/// Long enough for a machine that compiles on all its cores meanwhile.
const LIMIT: Duration = Duration::from_secs(60);
const ANYWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn controller() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbench"));
    let ours = std::env::vars_os().filter(|(name, _)| {
        name.to_str()
            .is_some_and(|name| name.starts_with("TESTBENCH_"))
    });
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.arg("controller");
    command
}

/// Knows the way to a cluster while it lives.
struct Kubeconfig(TempDir);

impl Kubeconfig {
    fn to(server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "apiVersion: v1
kind: Config
current-context: it
contexts: [{{name: it, context: {{cluster: it, user: it}}}}]
clusters: [{{name: it, cluster: {{server: '{server}'}}}}]
users: [{{name: it, user: {{}}}}]
"
        );
        fs::write(folder.path().join("kubeconfig"), text).unwrap();
        Self(folder)
    }

    fn give_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        // A proxy of the environment does not reach this loopback.
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(proxy);
        }
        command.env("KUBECONFIG", self.0.path().join("kubeconfig"))
    }
}

/// One that works, and ends with the test.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    _kubeconfig: Kubeconfig,
}

impl Running {
    fn start(cluster: &ApiServer, set: impl FnOnce(&mut Command)) -> Self {
        let kubeconfig = Kubeconfig::to(&cluster.url());
        let mut command = controller();
        kubeconfig.give_to(&mut command);
        set(&mut command);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
            _kubeconfig: kubeconfig,
        }
    }

    /// The next line of the log of which this is part.
    fn until_logged(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(LIMIT) else {
                panic!("nothing logged holds `{part}`: {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Ends it as Kubernetes does, and gives all that it has logged.
    fn stop(mut self) -> (ExitStatus, Vec<String>) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap();
        let rest: Vec<_> = self.lines.iter().collect();
        self.seen.extend(rest);
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_names_each_option_with_its_variable() {
    let output = controller().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    let mut options: Vec<_> = help
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"))
        .collect();
    options.retain(|option| *option != "help" && help.contains(&format!("\n      --{option} <")));
    assert!(options.len() >= 7, "{options:?}");
    for option in options {
        let variable = option.to_uppercase().replace('-', "_");
        let variable = format!("[env: TESTBENCH_{variable}=]");
        assert!(help.contains(&variable), "--{option} has no {variable}");
    }
}

const WATCH: (&str, &str) = ("watch-namespaces", "one,two");
const OPTIONS: [(&str, &str); 6] = [
    WATCH,
    ("operator-namespace", "own"),
    ("testkube-namespace", "kube"),
    ("listen", "127.0.0.1:0"),
    ("log", "info,testbench_operator=debug"),
    ("log-format", "json"),
];

/// What an operator with [`OPTIONS`] does.
fn expect_them_to_count(set: impl FnOnce(&mut Command)) {
    let cluster = ApiServer::start(Installed::Well);
    let mut running = Running::start(&cluster, set);
    let serving = json(&running.until_logged("/metrics"));
    let address = serving["fields"]["address"].as_str().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let watched = |kind: &str| {
        cluster.until_read(|read| {
            let namespaces = read.iter().filter_map(|path| {
                let (namespace, found) = path.split_once("/namespaces/")?.1.split_once('/')?;
                (found == kind).then(|| namespace.to_owned())
            });
            let namespaces: BTreeSet<_> = namespaces.collect();
            (!namespaces.is_empty()).then_some(namespaces)
        })
    };
    running.until_logged("all caches are full");
    for (kind, namespaces) in [
        ("experiments", &["one", "two"][..]),
        ("agents", &["one", "own", "two"]),
        ("events", &["kube"]),
    ] {
        let expected = namespaces.iter().map(|name| (*name).to_owned());
        assert_eq!(watched(kind), expected.collect(), "{kind}");
    }
    running.until_logged("Invalid");
    let (status, lines) = running.stop();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let of_reconciles: Vec<_> = lines
        .iter()
        .map(|line| json(line))
        .filter(|line| {
            line["span"]["name"] == "reconcile"
                || line["fields"]["message"] == "failed to reconcile"
        })
        .collect();
    assert!(!of_reconciles.is_empty(), "{lines:#?}");
    for line in of_reconciles {
        assert_eq!(line["span"]["object"], "one/wrong", "{line}");
        assert!(line["span"]["id"].is_u64(), "{line}");
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn options_count() {
    expect_them_to_count(|command| {
        for (option, value) in OPTIONS {
            command.arg(format!("--{option}")).arg(value);
        }
    });
}

#[test]
fn variables_count() {
    expect_them_to_count(|command| {
        for (option, value) in OPTIONS {
            let variable = option.to_uppercase().replace('-', "_");
            command.env(format!("TESTBENCH_{variable}"), value);
        }
    });
}

#[test]
fn an_option_counts_more_than_its_variable_and_log_filters() {
    let cluster = ApiServer::start(Installed::Well);
    let mut running = Running::start(&cluster, |command| {
        command.args(ANYWHERE).args(["--log", "warn"]);
        command.env("TESTBENCH_LOG", "info");
        command.env("TESTBENCH_WATCH_NAMESPACES", WATCH.1);
    });
    // As text, where nothing else is asked for.
    let line = running.until_logged("failed to reconcile");
    assert!(line.contains(" WARN "), "{line}");
    let (status, lines) = running.stop();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let info: Vec<_> = lines
        .iter()
        .filter(|line| line.contains(" INFO "))
        .collect();
    assert!(info.is_empty(), "{info:#?}");
}

fn refusal(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn what_an_option_cannot_mean_is_said() {
    for (arguments, parts) in [
        (&["--listen", "here"][..], &["--listen", "here"][..]),
        (&["--log", "testbench=loud"], &["--log", "`info`"]),
        (&["--log-format", "xml"], &["--log-format", "text", "json"]),
        (&["--watch-namespace", "one"], &["--watch-namespaces"]),
    ] {
        let said = refusal(&controller().args(arguments).output().unwrap());
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn what_it_cannot_use_is_named_as_an_option_and_as_a_variable() {
    let cluster = ApiServer::start(Installed::Well);
    let kubeconfig = Kubeconfig::to(&cluster.url());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (option, value, message) in [
        (
            "plugins-dir",
            "/nowhere",
            "failed to read plugins from /nowhere",
        ),
        ("listen", &address, "--listen"),
    ] {
        let mut by_option = controller();
        by_option.arg(format!("--{option}")).arg(value);
        let mut by_variable = controller();
        let variable = option.to_uppercase().replace('-', "_");
        by_variable.env(format!("TESTBENCH_{variable}"), value);
        for command in [&mut by_option, &mut by_variable] {
            let said = refusal(&kubeconfig.give_to(command).output().unwrap());
            assert!(said.contains(message) && said.contains(value), "{said}");
        }
    }
}

#[test]
fn what_the_cluster_lacks_is_said_with_what_to_do() {
    for (installed, parts) in [
        (
            Installed::Nothing,
            &[
                "experiments.testbench.agentic-layer.ai",
                "testbench crd | kubectl apply",
            ][..],
        ),
        (
            Installed::AnotherVersion,
            &["v9", "v1alpha1", "testbench crd | kubectl apply"],
        ),
        (
            Installed::WithoutRights,
            &["experiments", "deploy/install.yaml"],
        ),
    ] {
        let cluster = ApiServer::start(installed);
        let kubeconfig = Kubeconfig::to(&cluster.url());
        let mut command = controller();
        command.args(ANYWHERE);
        let said = refusal(&kubeconfig.give_to(&mut command).output().unwrap());
        for part in parts {
            assert!(said.contains(part), "{installed:?}: {said}");
        }
    }
}

#[test]
fn without_any_cluster_it_says_where_one_is_looked_for() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = controller();
    command.args(ANYWHERE).env("HOME", empty.path());
    for variable in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST"] {
        command.env_remove(variable);
    }
    let said = refusal(&command.output().unwrap());
    assert!(said.contains("KUBECONFIG"), "{said}");
}

//! The command as a user runs it: what it prints where, and its exit code.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use testbench_core::yaml;

const SAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../deploy/samples/inline.yaml"
);

fn testbench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_testbench"))
        .args(args)
        .output()
        .unwrap()
}

fn with_input(args: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbench"));
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Taken, so that it is closed before the answer is awaited.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_ref())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn kinds(output: &Output) -> Vec<String> {
    let documents = yaml::parse(&stdout(output)).unwrap();
    documents
        .into_iter()
        .map(|document| document.value["kind"].as_str().unwrap().to_owned())
        .collect()
}

fn experiment(name: &str) -> String {
    format!(
        "apiVersion: testbench.agentic-layer.ai/v1alpha1\nkind: Experiment\nmetadata: {{name: {name}}}\n\
         spec:\n  agentRef: {{name: bot}}\n  scenarios: [{{name: a, steps: [{{input: Hello}}]}}]\n"
    )
}

#[test]
fn a_file_standard_input_and_a_folder_render_alike() {
    let from_file = testbench(&["render", "-f", SAMPLE]);
    assert_eq!(from_file.status.code(), Some(0), "{}", stderr(&from_file));
    assert_eq!(kinds(&from_file), ["ConfigMap", "TestWorkflow"]);
    assert_eq!(stderr(&from_file), "", "nothing to say of the sample");

    let from_input = with_input(&["render", "-f", "-"], fs::read_to_string(SAMPLE).unwrap());
    assert_eq!(stdout(&from_input), stdout(&from_file));

    let folder = tempfile::tempdir().unwrap();
    fs::copy(SAMPLE, folder.path().join("sample.yaml")).unwrap();
    fs::write(folder.path().join("notes.txt"), "no: [manifest").unwrap();
    let from_folder = testbench(&["render", "-f", folder.path().to_str().unwrap()]);
    assert_eq!(stdout(&from_folder), stdout(&from_file));
}

/// A template counts where it is, and one that names no namespace is where `-n` says.
#[test]
fn objects_that_name_no_namespace_are_in_the_given_one() {
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");
    let (samples, templates) = (format!("{deploy}/samples"), format!("{deploy}/templates"));
    let render = ["render", "-f", &samples, "-f", &templates];
    let there = testbench(&[&render[..], &["-n", "demo"]].concat());
    assert_eq!(there.status.code(), Some(0), "{}", stderr(&there));
    assert_eq!(stderr(&there), "", "samples and templates fit together");
    let elsewhere = testbench(&render);
    assert!(stderr(&elsewhere).contains("TemplateNotFound"));
    assert_eq!(stdout(&there), stdout(&elsewhere), "samples name theirs");

    let nowhere = with_input(&["render", "-f", "-", "-n", "team"], experiment("x"));
    let workflow = &yaml::parse(&stdout(&nowhere)).unwrap()[1].value;
    assert_eq!(workflow["metadata"]["namespace"], "team");
}

#[test]
fn json_holds_the_same_objects_as_yaml() {
    let list: serde_json::Value =
        serde_json::from_str(&stdout(&testbench(&["render", "-f", SAMPLE, "-o", "json"]))).unwrap();
    let documents = yaml::parse(&stdout(&testbench(&["render", "-f", SAMPLE]))).unwrap();
    // YAML is read back as the API server delivers it, so numbers inside documents are the same, too.
    let documents: Vec<_> = documents
        .into_iter()
        .map(|document| document.value)
        .collect();
    assert_eq!(list["items"], serde_json::Value::Array(documents));
}

#[test]
fn an_invalid_experiment_is_named_with_its_path_and_the_others_are_rendered() {
    let invalid = experiment("wrong").replace("scenarios", "scenario");
    let output = with_input(
        &["render", "-f", "-"],
        experiment("right") + "---\n" + &invalid,
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(kinds(&output), ["ConfigMap", "TestWorkflow"]);
    let expected = "error: Experiment default/wrong (-:8):\n  spec.scenario: unknown field; did you mean `scenarios`?\n";
    assert!(stderr(&output).ends_with(expected), "{}", stderr(&output));
}

#[test]
fn bad_usage_and_unreadable_files_are_told_apart_from_invalid_experiments() {
    for (args, input, message) in [
        (&["render"][..], "", "--filename"),
        (
            &["render", "-f", "/nowhere.yaml"],
            "",
            "failed to read /nowhere.yaml",
        ),
        (&["render", "-f", "-"], "a: [", "-: failed to read YAML"),
        (&["render", "-f", "-"], "", "there is no Experiment"),
        (
            &["render", "-f", "-", "--plugins-dir", "/nowhere"],
            &experiment("x"),
            "failed to read plugins from /nowhere",
        ),
        (&["rend"], "", "unrecognized subcommand"),
    ] {
        let output = with_input(args, input);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(message),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

/// Ten thousand levels would overflow a stack, and nothing could be said about it.
#[test]
fn what_could_break_a_reader_is_an_unreadable_file() {
    let open = |text: &str| text.repeat(10_000).into_bytes();
    for (input, message) in [
        (open("["), "more than 64 levels deep"),
        (open("{a: "), "more than 64 levels deep"),
        (open("{\"a\":"), "more than 64 levels deep"),
        (open("- "), "more than 64 levels deep"),
        (b"\xff\xfe\x00".to_vec(), "UTF-8"),
        (b"a: \0".to_vec(), "line 1"),
        (b"null".to_vec(), "there is no Experiment"),
        (b"[]".to_vec(), "-:1: expected a Kubernetes object"),
    ] {
        let shown = String::from_utf8_lossy(&input[..input.len().min(8)]).into_owned();
        let output = with_input(&["render", "-f", "-"], input);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(
            stderr(&output).contains(message),
            "{shown}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_component_in_the_plugins_folder_takes_the_place_of_the_bundled_one() {
    let folder = tempfile::tempdir().unwrap();
    let visualize = testbench_bundle::bundled()
        .iter()
        .find(|bundled| bundled.phase == "visualize")
        .unwrap();
    fs::write(folder.path().join("publish.wasm"), visualize.wasm).unwrap();
    let output = testbench(&[
        "render",
        "-f",
        SAMPLE,
        "--plugins-dir",
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let workflow = &yaml::parse(&stdout(&output)).unwrap()[1].value;
    assert_eq!(workflow["spec"]["steps"][2]["name"], "publish");
    assert_eq!(
        workflow["spec"]["steps"][2]["template"]["name"],
        "visualize-template"
    );
}

#[test]
fn a_component_that_cannot_be_used_is_refused_naming_its_file() {
    for (file, content, message) in [
        (
            "publish.wasm",
            &b"no component"[..],
            "expected a WebAssembly component, found no WebAssembly",
        ),
        ("gate.wasm", b"", "there is no slot `gate`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file), content).unwrap();
        let output = testbench(&[
            "render",
            "-f",
            SAMPLE,
            "--plugins-dir",
            folder.path().to_str().unwrap(),
        ]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = stderr(&output);
        assert!(
            stderr.contains(file) && stderr.contains(message),
            "{stderr}"
        );
    }
}

#[test]
fn many_experiments_come_out_in_the_order_in_which_they_went_in() {
    let names: Vec<_> = (0..1000).map(|i| format!("e{i}")).collect();
    let input = names
        .iter()
        .map(|name| experiment(name))
        .collect::<Vec<_>>()
        .join("---\n");
    let output = with_input(&["render", "-f", "-"], input);
    let documents = yaml::parse(&stdout(&output)).unwrap();
    let found: Vec<_> = documents
        .iter()
        .filter(|document| document.value["kind"] == "TestWorkflow")
        .map(|document| {
            document.value["metadata"]["name"]
                .as_str()
                .unwrap()
                .trim_end_matches("-workflow")
        })
        .collect();
    assert_eq!(found, names);
    assert_eq!(documents.len(), 2 * names.len(), "each has its ConfigMap");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn crd_prints_the_committed_files() {
    let committed = ["experiments", "phaseplugins"].map(|plural| {
        let file = format!("../../crds/{plural}.testbench.agentic-layer.ai.yaml");
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
    });
    let printed = stdout(&testbench(&["crd"]));
    assert!(
        printed == committed.join("---\n"),
        "`testbench crd` prints something else than crds/*.yaml"
    );
}

#[test]
fn the_controller_says_what_to_do_where_no_cluster_answers() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    // Nobody listens at port 1.
    let cluster = "apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
clusters: [{name: it, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: it, user: {}}]
";
    fs::write(&kubeconfig, cluster).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_testbench"))
        .args(["controller", "--listen", "127.0.0.1:0"])
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let said = stderr(&output);
    for part in [
        "failed to reach the Kubernetes API server",
        "check the kubeconfig",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

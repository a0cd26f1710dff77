//! The way of a plugin's author, as they walk it: a new project builds, and passes its test; what goes wrong is said in their words.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TESTBENCH: &str = env!("CARGO_BIN_EXE_testbench");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Standard output and error, and how it ended.
fn said(mut command: Command) -> (String, Option<i32>) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (said.concat(), status.code())
}

fn testbench(args: &[&str], folder: &Path) -> (String, Option<i32>) {
    let mut command = Command::new(TESTBENCH);
    command.args(args).current_dir(folder);
    said(command)
}

/// What a command says that has to succeed.
fn succeed(command: Command) -> String {
    let shown = format!("{command:?}");
    let (said, code) = said(command);
    assert_eq!(code, Some(0), "{shown}: {said}");
    said
}

/// A new project in a folder of its own, outside of the repository.
fn new_project(language: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (said, code) = testbench(
        &["plugin", "new", "first", "--lang", language],
        folder.path(),
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cd first && "), "{said}");
    folder
}

/// `cargo` as an author calls it: nothing of the calling one, and what the repository's own build has downloaded.
fn cargo(project: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).arg("--offline").current_dir(project);
    let of_caller = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
    ];
    for name in of_caller {
        command.env_remove(name);
    }
    // Dependencies are built once, not for each run of this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("author");
    command.env("CARGO_TARGET_DIR", target);
    command
}

#[test]
fn a_new_project_in_rust_builds_and_passes_its_tests() {
    let folder = new_project("rust");
    let project = folder.path().join("first");
    let channel = fs::copy(
        repository().join("rust-toolchain.toml"),
        project.join("rust-toolchain.toml"),
    );
    channel.unwrap();
    let tested = succeed(cargo(&project, &["test"]));
    assert!(tested.contains("1 passed"), "{tested}");
    succeed(cargo(&project, &["plugin"]));
    let component =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("author/wasm32-wasip2/release/first.wasm");
    let component = component.to_str().unwrap();

    let (said, code) = testbench(&["plugin", "test", "--component", component], &project);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 cases as expected"), "{said}");

    let (inspected, code) = testbench(&["plugin", "inspect", component], &project);
    assert_eq!(code, Some(0), "{inspected}");
    for part in [
        "name: first",
        "digest: sha256:",
        "- testbench:phase/host@0.1.0",
        "MB (",
    ] {
        assert!(inspected.contains(part), "{part}: {inspected}");
    }
    let (measured, code) = testbench(&["plugin", "bench", component, "--calls", "3"], &project);
    assert_eq!(code, Some(0), "{measured}");
    assert!(measured.contains("limit 64.0 MiB"), "{measured}");

    let expected = project.join("cases/default/expected.yaml");
    fs::write(&expected, "{}\n").unwrap();
    let (differs, code) = testbench(&["plugin", "test", "--component", component], &project);
    assert_eq!(code, Some(1), "{differs}");
    for part in [
        "./cases/default:",
        "+workflow:",
        "the plugin wrote:\nsaying Done.",
        "1 of 3 cases differ",
    ] {
        assert!(differs.contains(part), "{part}: {differs}");
    }
    let (blessed, code) = testbench(
        &["plugin", "test", "--component", component, "--bless"],
        &project,
    );
    assert_eq!(code, Some(0), "{blessed}");
    assert!(fs::read_to_string(&expected).unwrap().contains("busybox"));
}

#[test]
fn a_folder_with_files_and_an_odd_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    for (args, message) in [
        (&["first", "--dir", "."][..], ". holds files already"),
        (&["First"], "expected 1 to 63 of a-z"),
        (&["../up"], "expected 1 to 63 of a-z"),
    ] {
        let args = [&["plugin", "new", "--lang", "rust"], args].concat();
        let (said, code) = testbench(&args, folder.path());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(message), "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_plugin_or_no_project_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.wasm"), "text").unwrap();
    for (args, message) in [
        (
            &["inspect", "text.wasm"][..],
            "failed to load text.wasm: expected a WebAssembly component",
        ),
        (&["inspect", "none.wasm"], "failed to access none.wasm"),
        (
            &["test"],
            "build the plugin first, or name it with --component",
        ),
        (
            &["test", "--component", "text.wasm"],
            "expected at least one folder with request.yaml",
        ),
        (&["bench", "text.wasm", "--calls", "0"], "--calls"),
    ] {
        fs::create_dir_all(folder.path().join("cases")).unwrap();
        let (said, code) = testbench(&[&["plugin"], args].concat(), folder.path());
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
    }
}

/// The example names the image itself: a plugin sees no file of this repository.
#[test]
fn the_gate_runs_in_the_image_of_the_phases() {
    let read = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
    let images = read("deploy/images.env");
    let image = images
        .lines()
        .find_map(|line| line.strip_prefix("PHASES_IMAGE="))
        .unwrap();
    assert!(
        read("plugins/examples/gate/plugin.py").contains(&format!("IMAGE = \"{image}\"")),
        "plugins/examples/gate/plugin.py: expected {image}"
    );
}

/// What the step of the example `notification` does in a shell, with a curl that only says what it was given.
#[test]
fn a_notification_reaches_curl_whole_and_names_what_is_missing() {
    let case = "plugins/examples/notification/cases/every-setting/expected.yaml";
    let expected = fs::read_to_string(repository().join(case)).unwrap();
    let contribution = &testbench_core::yaml::parse(&expected).unwrap()[0].value;
    let run = &contribution["workflow"]["steps"][0]["run"];
    let script = run["shell"].as_str().unwrap();

    let bin = tempfile::tempdir().unwrap();
    let curl = bin.path().join("curl");
    fs::write(
        &curl,
        "#!/bin/sh\nfor last; do :; done\nprintf '%s|' \"$last\" \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&curl, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let shell = |url: Option<&str>| {
        let mut command = Command::new("sh");
        let path = format!("{}:/usr/bin:/bin", bin.path().display());
        command.args(["-c", script]).env_clear().env("PATH", path);
        for variable in run["env"].as_array().unwrap() {
            let text = |key: &str| variable[key].as_str().unwrap().to_owned();
            command.env(text("name"), text("value"));
        }
        if let Some(url) = url {
            command.env("CHAT", url);
        }
        said(command)
    };
    let (said, code) = shell(Some("https://chat.example/a b?$(c)"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("https://chat.example/a b?$(c)|"), "{said}");
    let body = run["env"][1]["value"].as_str().unwrap();
    assert!(said.contains(&format!("|--data|{body}|")), "{said}");

    let (said, code) = shell(None);
    assert_eq!(
        (said.as_str(), code),
        ("notification: the variable CHAT is not set\n", Some(1))
    );
}

#[cfg(feature = "languages")]
mod languages {
    use std::sync::Mutex;

    use super::*;

    /// What the scripts install, they install once: one after the other.
    static INSTALLING: Mutex<()> = Mutex::new(());

    /// The last line that a script of `hack/` prints.
    fn hack(script: &str, argument: &str) -> String {
        let _installing = INSTALLING.lock().unwrap();
        let mut command = Command::new(repository().join("hack").join(script));
        command.arg(argument);
        let said = succeed_with_output(command);
        said.lines().last().unwrap().to_owned()
    }

    fn succeed_with_output(mut command: Command) -> String {
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// With `testbench` where an author has it.
    fn with_path(command: &mut Command) {
        let own = Path::new(TESTBENCH).parent().unwrap().to_owned();
        let others = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&others)));
        command.env("PATH", path.unwrap());
    }

    /// As an author who has installed what the project names.
    fn project(language: &str, installed: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = new_project(language);
        let project = folder.path().join("first");
        let there = Path::new(&hack("languages.sh", language)).join(installed);
        std::os::unix::fs::symlink(there, project.join(installed)).unwrap();
        (folder, project)
    }

    fn npm_test(project: &Path) -> (String, Option<i32>) {
        let mut command = Command::new("npm");
        command.arg("test").current_dir(project);
        with_path(&mut command);
        said(command)
    }

    /// `-o`: what is installed is as old as the cache.
    fn make_test(project: &Path) -> (String, Option<i32>) {
        let mut command = Command::new("make");
        command
            .args(["test", "-o", ".venv/installed"])
            .current_dir(project);
        with_path(&mut command);
        said(command)
    }

    /// What the plugins of `tests/exercise/` answer to each value of their setting `be`: they use all of their SDK.
    const EXERCISED: &[(&str, &str, &str)] = &[
        (
            "{}",
            "expected.yaml",
            include_str!("exercise/expected.yaml"),
        ),
        (
            "{be: rejected}",
            "error.txt",
            "rejected: not this (No) at /settings/be\n",
        ),
        ("{be: waiting}", "error.txt", "waiting: not yet (Later)\n"),
    ];

    /// Puts the exercise of a language, with its cases and one that breaks it, in place of the phase of a new project.
    fn exercise(project: &Path, plugin: &str) {
        let source = repository().join("host/cli/tests/exercise").join(plugin);
        fs::write(project.join(plugin), fs::read_to_string(source).unwrap()).unwrap();
        let cases = project.join("cases");
        fs::remove_dir_all(&cases).unwrap();
        let case = |name: &str, settings: &str| {
            let folder = cases.join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(
                folder.join("request.yaml"),
                format!("settings: {settings}\n"),
            )
            .unwrap();
            folder
        };
        for (i, (settings, file, expected)) in EXERCISED.iter().enumerate() {
            fs::write(case(&format!("{i}"), settings).join(file), expected).unwrap();
        }
        case("broken", "{be: broken}");
    }

    /// Only the case that breaks it differs, and says all that is known of it.
    fn check_exercised((said, code): (String, Option<i32>), of_defect: &[&str]) {
        assert_ne!(code, Some(0), "{said}");
        assert!(said.contains("1 of 4 cases differ"), "{said}");
        let everywhere = ["./cases/broken:", "logged", r#"printed {"as":["json"]}"#];
        for part in everywhere.iter().chain(of_defect) {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn a_new_project_in_javascript_passes_its_test_and_a_defect_shows_its_stack() {
        let (_folder, project) = project("javascript", "node_modules");
        let (said, code) = npm_test(&project);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("3 cases as expected"), "{said}");

        exercise(&project, "plugin.js");
        let stack = ["cannot read property 'further' of undefined", "plugin.js:"];
        check_exercised(npm_test(&project), &stack);
    }

    #[test]
    fn a_new_project_in_python_passes_its_test_and_a_defect_shows_its_traceback() {
        let (_folder, project) = project("python", ".venv");
        let (said, code) = make_test(&project);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("3 cases as expected"), "{said}");

        exercise(&project, "plugin.py");
        let traceback = [
            "Traceback (most recent call last):",
            "plugin.py\", line",
            "KeyError: 'gone'",
        ];
        check_exercised(make_test(&project), &traceback);
    }

    #[test]
    fn the_examples_do_what_their_cases_say() {
        for name in ["gate", "notification"] {
            let component = hack("example.sh", name);
            let example = repository().join("plugins/examples").join(name);
            let args = ["plugin", "test", ".", "--component", &component];
            let (said, code) = testbench(&args, &example);
            assert_eq!(
                code,
                Some(0),
                "if that is meant, add --bless to\n\n    testbench {}\n\n{said}",
                args.join(" ")
            );
        }
    }

    /// The script of the example `gate` in `plugins/examples/gate/check.py`, on what an evaluation left: what it prints, and how it
    /// ends.
    fn gate(evaluated: Option<&str>, ignored: &[&str]) -> (String, Option<i32>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("evaluated_experiment.json");
        if let Some(text) = evaluated {
            fs::write(&file, text).unwrap();
        }
        let script =
            fs::read_to_string(repository().join("plugins/examples/gate/check.py")).unwrap();
        let mut command = Command::new("python3");
        command.args(["-c", &script]).arg(&file).args(ignored);
        said(command)
    }

    /// One step of one scenario, with these metrics asked for and these evaluations.
    fn evaluated(metrics: &str, evaluations: &str) -> String {
        format!(
            r#"{{"scenarios": [{{"name": "forecast", "steps": [{{"input": "a"}}, {{"input": "b", "metrics": [{metrics}], "evaluations": [{evaluations}]}}]}}]}}"#
        )
    }

    const ASKED: &str = r#"{"metric_name": "tool_check", "threshold": 0.8}"#;

    fn scored(result: &str) -> String {
        evaluated(
            ASKED,
            &format!(r#"{{"metric": {ASKED}, "result": {result}}}"#),
        )
    }

    #[test]
    fn the_gate_lets_a_run_pass_whose_metrics_passed() {
        let passed = scored(r#"{"result": "pass", "score": 0.9, "details": null}"#);
        let (said, code) = gate(Some(&passed), &[]);
        assert_eq!(
            (said.as_str(), code),
            ("gate: all 1 metrics passed\n", Some(0))
        );
    }

    #[test]
    fn the_gate_names_every_metric_that_did_not_pass() {
        let place = "gate: 1 of 1 metrics did not pass\nscenario forecast, step 2: tool_check ";
        for (found, what) in [
            (
                scored(r#"{"result": "fail", "score": 0.25, "details": "no\ncall"}"#),
                "failed, score 0.25, expected at least 0.8: no call\n",
            ),
            (
                scored(r#"{"result": null, "score": null, "details": null}"#),
                "has no result, expected at least 0.8\n",
            ),
            (
                evaluated(ASKED, ""),
                "was not scored; see the log of evaluate\n",
            ),
        ] {
            assert_eq!(gate(Some(&found), &[]), (format!("{place}{what}"), Some(1)));
        }
    }

    #[test]
    fn the_gate_is_no_greener_than_what_it_can_read() {
        let failed = scored(r#"{"result": "fail", "score": 0, "details": null}"#);
        for (found, ignored, why) in [
            (None, &[][..], "found no such file: did evaluate run?"),
            (Some("{"), &[], "found something else: JSONDecodeError"),
            (Some("[]"), &[], "found something else: TypeError"),
            (
                Some(r#"{"scenarios": [{}]}"#),
                &[],
                "found something else: KeyError('steps')",
            ),
            (Some(r#"{"scenarios": []}"#), &[], "no metric was scored"),
            (Some(&failed), &["other"], "tool_check failed, score 0,"),
            (Some(&failed), &["tool_check"], "no metric was scored"),
        ] {
            let (said, code) = gate(found, ignored);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(why) && !said.contains("Traceback"), "{said}");
        }
    }

    #[test]
    fn a_metric_that_may_fail_fails_no_run() {
        let other = r#"{"metric_name": "topic", "threshold": 1}"#;
        let evaluations = format!(
            r#"{{"metric": {ASKED}, "result": {{"result": "pass"}}}}, {{"metric": {other}, "result": {{"result": "fail"}}}}"#
        );
        let found = evaluated(&format!("{ASKED}, {other}"), &evaluations);
        assert_eq!(
            gate(Some(&found), &["topic"]),
            ("gate: all 1 metrics passed\n".to_owned(), Some(0))
        );
        assert_eq!(gate(Some(&found), &[]).1, Some(1));
    }
}

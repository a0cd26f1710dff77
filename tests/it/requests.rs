//! Cases of one plugin alone, with a guest that contributes what its settings say.

use std::fs;
use std::path::Path;

use testbench_core::alone::Subject;
use testbench_engine::{Engine, EngineOptions};
use testbench_testkit::{CaseError, Mode, RequestCases, check_plugin};
use testbench_tests::folder;

async fn echo() -> Subject {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let plugin = engine.load(testbench_test_guests::ECHO).await.unwrap();
    Subject::new(engine, plugin).unwrap()
}

/// As a plugin's own test would run them.
#[test]
fn the_example_in_rust_does_what_its_cases_say() {
    let folder_of_component = tempfile::tempdir().unwrap();
    let component = folder_of_component.path().join("red_team.wasm");
    fs::write(&component, testbench_test_guests::RED_TEAM).unwrap();
    let cases = folder("../plugins/examples/red-team/cases");
    let differences = check_plugin(&component, &cases).unwrap();
    assert!(
        differences.is_empty(),
        "{differences}if that is meant, run\n\n    BLESS=1 cargo test -p testbench-tests example\n"
    );
    let wrong = check_plugin(&component, folder_of_component.path());
    assert!(matches!(wrong, Err(CaseError::None { .. })), "{wrong:?}");
}

/// What differs when `request` is the only case in `folder`.
async fn differences(folder: &Path, request: &str, mode: Mode) -> Result<String, CaseError> {
    fs::write(folder.join("request.yaml"), request).unwrap();
    let mismatches = RequestCases::below(folder)?
        .run(&echo().await, mode)
        .await?;
    Ok(mismatches.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn what_was_blessed_is_expected_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let contribution = |shell| {
        format!(
            "settings:\n  workflow: {{steps: [{{shell: {shell}}}]}}\n  \
             objects: [{{key: note, apiVersion: v1, kind: ConfigMap, body: {{data: {{a: b}}}}}}]\n"
        )
    };
    let missing = differences(folder, &contribution("one"), Mode::Check)
        .await
        .unwrap();
    assert!(missing.contains("+  - shell: one"), "{missing}");

    assert_eq!(
        differences(folder, &contribution("one"), Mode::Bless)
            .await
            .unwrap(),
        ""
    );
    let expected = "objects:\n- apiVersion: v1\n  body:\n    data:\n      a: b\n  key: note\n  kind: ConfigMap\n\
                    workflow:\n  steps:\n  - shell: one\n";
    assert_eq!(
        fs::read_to_string(folder.join("expected.yaml")).unwrap(),
        expected
    );
    assert_eq!(
        differences(folder, &contribution("one"), Mode::Check)
            .await
            .unwrap(),
        ""
    );

    let other = differences(folder, &contribution("two"), Mode::Check)
        .await
        .unwrap();
    assert!(
        other.contains("-  - shell: one\n+  - shell: two"),
        "{other}"
    );
}

#[tokio::test]
async fn a_refusal_is_expected_as_error() {
    let folder = tempfile::tempdir().unwrap();
    for (request, error) in [
        (
            "settings: {failure: {rejected: never}}",
            "rejected: never (Echoed)\n",
        ),
        (
            "settings: {failure: {waiting: later}}",
            "waiting: later (Echoed) at /settings/failure\n",
        ),
        ("", "settings: {} has less than 1 property\n"),
    ] {
        assert_eq!(
            differences(folder.path(), request, Mode::Bless)
                .await
                .unwrap(),
            ""
        );
        let found = fs::read_to_string(folder.path().join("error.txt")).unwrap();
        assert_eq!(found, error);
    }
}

/// Not even by blessing.
#[tokio::test]
async fn what_no_host_would_take_or_send_is_never_expected() {
    let folder = tempfile::tempdir().unwrap();
    for (request, difference) in [
        (
            "settings: {workflow: {pod: {hostNetwork: true}}}",
            "phase `echo` may not set `pod.hostNetwork` of the workflow",
        ),
        (
            "settings: {workflow: {steps: [{shell: null}]}}",
            "phase `echo` sets `steps[0].shell` to null",
        ),
        (
            "settings: {workflow: {container: {env: [{name: A, valueFrom: {configMapKeyRef: {name: others, key: a}}}]}}}",
            "refers to something that is not this Experiment's",
        ),
        (
            "settings: {objects: [{key: token, apiVersion: v1, kind: Secret, body: {}}]}",
            "kind v1 Secret is not allowed",
        ),
        (
            "settings: {objects: [{key: A, apiVersion: v1, kind: ConfigMap, body: {}}]}",
            "the plugin's answer breaks the contract: `objects[0].key`",
        ),
        (
            "input: {agnt: {}}\nsettings: {workflow: {}}",
            "input.agnt: there is no such key",
        ),
    ] {
        let found = differences(folder.path(), request, Mode::Bless)
            .await
            .unwrap();
        assert!(found.contains(difference), "{request}: {found}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{request}");
    }
    for request in ["setting: {}", "{}\n---\n{}", "a: ["] {
        let error = differences(folder.path(), request, Mode::Check)
            .await
            .unwrap_err();
        assert!(
            matches!(error, CaseError::Request { .. }),
            "{request}: {error}"
        );
    }
}

/// The Experiment's own ConfigMap, `spec.env` and the OTLP endpoint are those of the input.
#[tokio::test]
async fn a_plugin_alone_may_refer_to_what_it_may_in_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    for request in [
        "settings: {workflow: {content: {files: [{path: /x, contentFrom: {configMapKeyRef: {name: test-experiment, key: experiment.json}}}]}}}",
        "settings: {workflow: {container: {env: [{name: E, valueFrom: {configMapKeyRef: {name: c, key: k}}}]}}}\n\
         input: {otel: {configMapKeyRef: {name: c, key: k}}}",
        "settings: {workflow: {container: {env: [{name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}\n\
         input: {env: [{name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]}",
    ] {
        assert_eq!(
            differences(folder.path(), request, Mode::Bless)
                .await
                .unwrap(),
            ""
        );
    }
}

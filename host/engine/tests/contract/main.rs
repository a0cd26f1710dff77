//! What was promised with contract 0.1 is kept: its files are as they were, and a component that was built for it runs as it did.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

mod frozen;

use std::sync::Arc;

use serde_json::{Value, json};
use testbench_engine::{
    Call, Contribution, Descriptor, Diagnostic, Engine, EngineOptions, Failure, FailureKind, Gvk,
    Limits, LoadError, LogLevel, LogLine, Manifest, Outcome, Plugin, Severity,
};

const COMPONENT: &str = include_str!("0.1.wat");

fn engine() -> Engine {
    Engine::new(EngineOptions::default()).unwrap()
}

async fn load(engine: &Engine, wat: &str) -> Result<Plugin, LoadError> {
    engine.load(&wat::parse_str(wat).unwrap()).await
}

/// What it answers with these settings.
async fn answer(settings: Value) -> Outcome {
    let engine = engine();
    let plugin = load(&engine, COMPONENT).await.unwrap();
    let call = Call {
        phase: "run".into(),
        namespace: "demo".into(),
        settings,
        input: json!({"mode": "inline", "scenarios": [{"name": "Wetter für morgen"}]}),
        object_names: Arc::new(|key| (key == "report").then(|| "weather-report".to_owned())),
        holder: "demo".into(),
        limits: Limits::default(),
    };
    engine.generate(&plugin, call).await.unwrap()
}

fn gvk(api_version: &str, kind: &str) -> Gvk {
    Gvk {
        api_version: api_version.into(),
        kind: kind.into(),
    }
}

fn diagnostics() -> Vec<Diagnostic> {
    vec![
        Diagnostic {
            severity: Severity::Warning,
            code: "Warned".into(),
            message: "look at the variables".into(),
            path: Some("/input/env".into()),
        },
        Diagnostic {
            severity: Severity::Info,
            code: "Typed".into(),
            message: r#"a {{"{{"}} b }} c"#.into(),
            path: None,
        },
    ]
}

/// The log of a call with these settings: the four parts of the request, as the plugin got them.
fn log(settings: &str) -> Vec<LogLine> {
    let input = r#"{"mode":"inline","scenarios":[{"name":"Wetter für morgen"}]}"#;
    let lines = [
        (LogLevel::Debug, "run"),
        (LogLevel::Info, "demo"),
        (LogLevel::Warn, settings),
        (LogLevel::Error, input),
    ];
    let line = |(level, message): (_, &str)| LogLine {
        level,
        message: message.into(),
    };
    lines.into_iter().map(line).collect()
}

#[tokio::test]
async fn a_component_of_0_1_loads_and_says_who_it_is() {
    let plugin = load(&engine(), COMPONENT).await.unwrap();
    assert_eq!(plugin.contract(), "0.1.0");
    assert_eq!(plugin.generator(), "testbench:phase/generator@0.1.0");
    let imports = ["testbench:phase/types@0.1.0", "testbench:phase/host@0.1.0"];
    assert_eq!(plugin.imports(), imports);
    let expected = Descriptor {
        name: "frozen".into(),
        version: "1.2.3-rc.1".into(),
        settings_schema: json!({
            "properties": {"answer": {"enum": ["rejected", "waiting"]}},
            "additionalProperties": false
        }),
        inputs: vec!["scenarios".into(), "env".into()],
        creates: vec![
            gvk("v1", "ConfigMap"),
            gvk("tests.testkube.io/v1", "TestTrigger"),
        ],
    };
    assert_eq!(plugin.descriptor(), &expected);
}

#[tokio::test]
async fn a_component_of_0_1_contributes_what_it_did() {
    let outcome = answer(json!({})).await;
    let object = |value: Value| value.as_object().unwrap().clone();
    let expected = Contribution {
        workflow: Some(object(json!({"content": {"files": [{
            "path": "/data/report.json",
            "contentFrom": {"configMapKeyRef": {"name": "weather-report", "key": "report.json"}}
        }]}}))),
        objects: vec![
            Manifest {
                key: "report".into(),
                kind: gvk("v1", "ConfigMap"),
                body: object(json!({"data": {"report.json": "{}"}})),
            },
            Manifest {
                key: "trigger".into(),
                kind: gvk("tests.testkube.io/v1", "TestTrigger"),
                body: object(json!({"spec": {
                    "settings": {},
                    "input": {"mode": "inline", "scenarios": [{"name": "Wetter für morgen"}]}
                }})),
            },
        ],
        diagnostics: diagnostics(),
    };
    assert_eq!(outcome.result, Ok(expected));
    assert_eq!((outcome.log, outcome.log_dropped), (log("{}"), 0));
}

#[tokio::test]
async fn a_component_of_0_1_fails_as_it_did() {
    for (kind, settings) in [
        (FailureKind::Rejected, json!({"answer": "rejected"})),
        (FailureKind::Waiting, json!({"answer": "waiting"})),
    ] {
        let outcome = answer(settings.clone()).await;
        let expected = Failure {
            kind,
            diagnostics: diagnostics(),
        };
        assert_eq!(outcome.result, Err(expected));
        assert_eq!(outcome.log, log(&settings.to_string()));
    }
}

/// wasmtime's own look-up would take it for 0.1.0.
#[tokio::test]
async fn a_later_version_that_semver_calls_compatible_is_refused_naming_both() {
    let later = COMPONENT.replace("phase/generator@0.1.0", "phase/generator@0.1.7");
    let error = load(&engine(), &later).await.unwrap_err();
    assert!(matches!(error, LoadError::Export { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "it was built for contract 0.1.7; this host speaks 0.1.0: build it for what this host speaks, or use a host that speaks 0.1.7"
    );
}

/// Within 0.1, host functions are added in interfaces of their own: whoever needs one is refused, by name, where it is missing.
#[tokio::test]
async fn an_interface_that_a_later_host_of_0_1_adds_is_refused_by_name() {
    let added =
        r#"(component (import "testbench:phase/added@0.1.0" (instance (export "f" (func))))"#;
    let needs_it = COMPONENT.replacen("(component", added, 1);
    let error = load(&engine(), &needs_it).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the component imports `testbench:phase/added@0.1.0`, which no plugin gets; it was built for contract 0.1.0, of which this \
         host has `testbench:phase/types@0.1.0` and `testbench:phase/host@0.1.0`: build it with no more than these, or use a host \
         that has it"
    );
}

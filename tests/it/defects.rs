//! A request on which a plugin showed a defect is not sent to it again, until something in it changes.

use std::fs;

use serde_json::{Value, json};
use testbench_core::pipeline::Host;
use testbench_core::render::{Manifests, Renderer, Source};
use testbench_tests::{echoing_host, folder};

#[tokio::test]
async fn an_equal_request_is_not_sent_again() {
    let host = echoing_host(&["publish", "visualize"]).await.unwrap();
    let broken = json!({"objects": [{"key": "No-Key", "apiVersion": "v1", "kind": "ConfigMap", "body": {}}]});

    let first = error_of(&host, broken.clone()).await;
    assert!(first.contains("objects[0].key"), "{first}");
    let others = phases(&host).await - 1;
    let calls = host.engine.calls();
    assert_eq!(error_of(&host, broken).await, first);
    assert_eq!(host.engine.calls() - calls, others);

    let corrected = json!({"workflow": {"steps": [{"shell": "true"}]}});
    let calls = host.engine.calls();
    render(&host, corrected).await.unwrap();
    assert_eq!(host.engine.calls() - calls, others + 1);
}

async fn phases(host: &Host) -> u64 {
    let calls = host.engine.calls();
    render(host, json!({"workflow": {}})).await.unwrap();
    host.engine.calls() - calls
}

async fn error_of(host: &Host, settings: Value) -> String {
    render(host, settings).await.unwrap_err()
}

/// An Experiment with these settings of the echoing phase `publish`.
async fn render(host: &Host, settings: Value) -> Result<(), String> {
    let file = folder("contributions/answers/a-key-that-is-none/input.yaml");
    let source = Source {
        name: "input.yaml".to_owned(),
        text: fs::read_to_string(file).unwrap(),
    };
    let Manifests {
        mut experiments,
        references,
        ..
    } = Manifests::read(&[source]).unwrap();
    let renderer = Renderer::new(host.clone(), references, "testbench-system").unwrap();
    let mut manifest = experiments.remove(0).manifest;
    manifest["spec"]["phases"][0]["settings"] = settings;
    let rendered = renderer.render(manifest).await;
    rendered.map(drop).map_err(|error| error.explain())
}

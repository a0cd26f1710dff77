//! The neighbours' kinds come late, and go: on a control plane of its own, since kinds are everybody's.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use testbench_operator::kinds::{EXPERIMENT, TEST_WORKFLOW};
use testbench_tests::control_plane::ControlPlane;

use super::{
    Operated, agent, apply_file, condition, experiment, install_operator, neighbours, scenarios,
    templates, wait_for_kinds,
};

static BARE: LazyLock<ControlPlane> = LazyLock::new(|| {
    ControlPlane::start(super::super::binary()).unwrap_or_else(|error| panic!("{error}"))
});

#[tokio::test]
async fn a_kind_that_is_missing_is_named_and_stops_nothing_else() {
    install_operator(&BARE);
    wait_for_kinds(&BARE);
    let operated = Operated::start_on(&BARE).await;
    operated
        .apply(experiment(
            "weather",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    let message = operated
        .until_condition("weather", "Ready", "False", "KindNotInstalled")
        .await;
    assert!(
        message.contains("CustomResourceDefinition testworkflows.testworkflows.testkube.io"),
        "{message}"
    );
    let stored = super::get(&operated.api(EXPERIMENT), "weather").await;
    let agent_resolved = condition(&stored, "AgentResolved").unwrap();
    assert_eq!(agent_resolved["status"], "Unknown");
    assert_eq!(
        stored["status"]["generatedResources"][0]["kind"],
        "ConfigMap"
    );

    // The Agent's kind alone changes what is known of the agent, and nothing else.
    for file in neighbours() {
        apply_file(&BARE, &file);
    }
    wait_for_kinds(&BARE);
    agent(&operated, "bot", "http://bot:8000").await;
    templates(&operated).await;
    operated.until_ready("weather").await;

    take_away(&operated, "testworkflows.testworkflows.testkube.io").await;
    operated
        .until_condition("weather", "Ready", "False", "KindNotInstalled")
        .await;
    bring_back("testworkflows.yaml");
    operated.until_ready("weather").await;

    let workflow = super::get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
    take_away(&operated, "agents.runtime.agentic-layer.ai").await;
    operated
        .until_condition(
            "weather",
            "AgentResolved",
            "Unknown",
            "AgentKindNotInstalled",
        )
        .await;
    bring_back("agents.yaml");
    operated
        .until_condition("weather", "AgentResolved", "False", "AgentNotFound")
        .await;
    agent(&operated, "bot", "http://bot:8000").await;
    operated.until_ready("weather").await;
    let found = super::get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
    assert_eq!(
        found["metadata"], workflow["metadata"],
        "it was not touched"
    );
}

/// A kind goes, and all of its objects with it.
async fn take_away(operated: &Operated, name: &str) {
    let crds: Api<CustomResourceDefinition> = Api::all(operated.admin.clone());
    let how = DeleteParams::default();
    crds.delete(name, &how).await.unwrap();
    // Its deletion takes a moment, and until then nothing can be applied in its place.
    operated.until_kind_gone(name).await;
}

fn bring_back(file: &str) {
    let files = neighbours();
    let file = files.iter().find(|path| path.ends_with(file)).unwrap();
    apply_file(&BARE, file);
    wait_for_kinds(&BARE);
}

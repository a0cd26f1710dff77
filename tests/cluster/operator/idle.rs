//! What concerns no Experiment costs no request, however much of it there is.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbench_operator::kinds::{
    AGENT, AI_GATEWAY, CONFIG_MAP, EVENT, EXPERIMENT, Kind, TEMPLATE, TEST_TRIGGER, TEST_WORKFLOW,
};
use testbench_tests::control_plane::AuditEvent;

use super::tells::run_event;
use super::{Operated, agent, experiment, get, scenarios, with_references};

const ROUNDS: usize = 20;

/// The window ends when the operator has answered changes that came later in every watch, so it has seen all that came in it.
#[tokio::test]
async fn an_idle_operator_asks_for_nothing_but_its_watches() {
    let operated = with_references().await;
    operated.apply(gateway("gateway", 80)).await;
    operated.apply(collector("http://first:4318")).await;
    let spec = json!({
        "scenarios": scenarios("Hello"), "trigger": {"enabled": true}, "aiGatewayRef": {"name": "gateway"},
    });
    operated.apply(experiment("weather", spec)).await;
    operated.until_ready("weather").await;
    // It may come after the status.
    operated.until_told("weather", "Generated").await;

    let before = operated.requests().len();
    for round in 0..ROUNDS {
        disturb(&operated, round).await;
    }
    until_all_of_it_was_seen(&operated).await;
    let since = operated.requests().split_off(before);
    let asked: Vec<_> = since.iter().filter(|event| !is_expected(event)).collect();
    assert!(asked.is_empty(), "{asked:#?}");
    let told = operated.api(EVENT).list(&Default::default()).await.unwrap();
    let told = told
        .items
        .iter()
        .filter(|event| event.data["involvedObject"]["name"] == "weather");
    assert_eq!(told.count(), 1, "nothing more is told of it");
}

/// What each watch brings, and does not matter.
async fn disturb(operated: &Operated, round: usize) {
    let theirs = json!({"metadata": {"annotations": {"it.example/round": round.to_string()}}});
    for (kind, name) in [
        (EXPERIMENT, "weather"),
        (AGENT, "bot"),
        (AI_GATEWAY, "gateway"),
        (TEMPLATE, "run-template"),
        (CONFIG_MAP, "otel-config"),
        (CONFIG_MAP, "weather-experiment"),
        (TEST_WORKFLOW, "weather-workflow"),
        (TEST_TRIGGER, "weather-trigger"),
    ] {
        change(operated, kind, name, theirs.clone()).await;
    }
    // The same URL, spelt in two ways: this one is looked at by the Experiment's reconcile.
    let suffix = ["", "/.well-known/agent-card.json"][round % 2];
    agent(operated, "bot", &format!("http://bot:8000{suffix}")).await;
    let number = u16::try_from(round).unwrap();
    operated.apply(gateway("nobodys", 1000 + number)).await;
    operated
        .apply(collector(&format!("http://nobody-asks:{number}")))
        .await;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nobodys"}, "data": {"round": round.to_string()},
    });
    operated.apply(map).await;
    let (id, at) = (round.to_string(), "2126-01-01T00:00:01Z");
    run_event(operated, "nobodys", &id, "start-testworkflow", at).await;
}

async fn change(operated: &Operated, kind: Kind, name: &str, how: Value) {
    let params = PatchParams::default();
    let patched = operated
        .api(kind)
        .patch(name, &params, &Patch::Merge(how))
        .await;
    patched.unwrap();
}

/// Changes something of every kind that concerns the Experiment `marker`, and waits for what comes of it.
async fn until_all_of_it_was_seen(operated: &Operated) {
    agent(operated, "marker", "http://marker").await;
    operated.apply(gateway("marker", 4000)).await;
    let template = json!({
        "apiVersion": "testworkflows.testkube.io/v1", "kind": "TestWorkflowTemplate", "metadata": {"name": "marker"},
        "spec": {"config": {"agentUrl": {"type": "string"}}},
    });
    operated.apply(template).await;
    let mut marker = experiment(
        "marker",
        json!({
            "agentRef": {"name": "marker"}, "aiGatewayRef": {"name": "marker"}, "scenarios": scenarios("Hello"),
            "trigger": {"enabled": true}, "phases": [{"name": "run", "settings": {"template": "marker"}}],
        }),
    );
    for key in ["env", "otlpEndpoint"] {
        marker["spec"].as_object_mut().unwrap().remove(key);
    }
    operated.apply(marker).await;
    operated.until_ready("marker").await;
    let how = DeleteParams::default();
    operated.delete(CONFIG_MAP, "otel-config", &how).await;
    operated
        .until(
            TEST_WORKFLOW,
            "marker-workflow",
            "as all is now",
            |workflow| {
                let workflow = workflow.to_string();
                let urls = ["http://marker\"", "cluster.local:4000"];
                urls.iter().all(|url| workflow.contains(url)) && !workflow.contains("otel-config")
            },
        )
        .await;
    for (kind, name) in [
        (CONFIG_MAP, "marker-experiment"),
        (TEST_WORKFLOW, "marker-workflow"),
        (TEST_TRIGGER, "marker-trigger"),
    ] {
        let before = get(&operated.api(kind), name).await;
        operated.delete(kind, name, &how).await;
        operated
            .until(kind, name, "there again", |object| {
                !object.is_null() && object["metadata"]["uid"] != before["metadata"]["uid"]
            })
            .await;
    }
    let at = "2126-01-01T00:00:01Z";
    run_event(operated, "marker-workflow", "one", "start-testworkflow", at).await;
    operated
        .until(EXPERIMENT, "marker", "running", |experiment| {
            experiment["status"]["lastExecution"]["id"] == "one"
        })
        .await;
}

/// A watch, or about `marker`. The path of an Event that is created says nothing.
fn is_expected(event: &AuditEvent) -> bool {
    event.verb == "watch"
        || event.request_uri.contains("marker")
        || event.request_uri.contains("/events")
}

fn gateway(name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "runtime.agentic-layer.ai/v1alpha1", "kind": "AiGateway",
        "metadata": {"name": name}, "spec": {"port": port},
    })
}

fn collector(url: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "otel-config"},
        "data": {"OTEL_EXPORTER_OTLP_ENDPOINT": url},
    })
}

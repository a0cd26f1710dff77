//! What users are told: Events, and how runs went.

use kube::api::PostParams;
use serde_json::{Value, json};
use testbench_operator::kinds::{CONFIG_MAP, EVENT, EXPERIMENT};

use super::{LIMIT, Operated, experiment, scenarios, with_references, with_weather};
use testbench_tests::control_plane::poll;

/// The reasons of what was told about an Experiment, sorted.
async fn reasons(operated: &Operated, name: &str) -> Vec<String> {
    let events = operated.api(EVENT).list(&Default::default()).await.unwrap();
    let mut reasons: Vec<_> = events
        .items
        .iter()
        .filter(|event| event.data["involvedObject"]["name"] == name)
        .map(|event| event.data["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort();
    reasons
}

#[tokio::test]
async fn users_hear_what_was_done_once_each() {
    let operated = with_references().await;
    let spec = |input: &str, trigger: bool| {
        let spec = json!({"scenarios": scenarios(input), "trigger": {"enabled": trigger}});
        experiment("weather", spec)
    };
    operated.apply(spec("Hello", true)).await;
    operated.until_ready("weather").await;
    operated.apply(spec("Good day", false)).await;
    let told = poll(LIMIT, async || {
        let told = reasons(&operated, "weather").await;
        (told.len() >= 3).then_some(told)
    });
    assert_eq!(told.await.unwrap(), ["Generated", "Pruned", "Updated"]);

    let wrong = json!({"scenarios": scenarios("Hello"), "phases": [{"name": "gate"}]});
    operated.apply(experiment("wrong", wrong)).await;
    let message = operated
        .until_condition("wrong", "Stalled", "True", "PhaseNotFound")
        .await;
    assert!(message.contains("there is no phase `gate`"), "{message}");
    let told = poll(LIMIT, async || {
        let told = reasons(&operated, "wrong").await;
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told.await.unwrap(), ["PhaseNotFound"]);
}

#[tokio::test]
async fn runs_show_in_the_status() {
    let operated = with_weather().await;

    run_event(
        &operated,
        "weather-workflow",
        "one",
        "start-testworkflow",
        "2126-01-01T00:00:01Z",
    )
    .await;
    operated
        .until(EXPERIMENT, "weather", "running", |experiment| {
            experiment["status"]["lastExecution"]
                == json!({"id": "one", "status": "running", "startedAt": "2126-01-01T00:00:01Z"})
        })
        .await;
    run_event(
        &operated,
        "weather-workflow",
        "one",
        "end-testworkflow-failed",
        "2126-01-01T00:05:00Z",
    )
    .await;
    let message = operated
        .until_condition("weather", "LastRunSucceeded", "False", "RunFailed")
        .await;
    assert_eq!(message, "execution one failed");
    run_event(
        &operated,
        "weather-workflow",
        "two",
        "end-testworkflow-success",
        "2126-01-01T00:09:00Z",
    )
    .await;
    operated
        .until_condition("weather", "LastRunSucceeded", "True", "RunPassed")
        .await;
    operated.until_ready("weather").await;
}

/// As Testkube tells of a run.
pub(super) async fn run_event(
    operated: &Operated,
    workflow: &str,
    id: &str,
    reason: &str,
    at: &str,
) {
    let event: Value = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{workflow}.{id}.{reason}")},
        "involvedObject": {
            "apiVersion": "testworkflows.testkube.io/v1", "kind": "TestWorkflow", "name": workflow,
            "namespace": operated.name(),
        },
        "reason": reason, "message": format!("executionId={id}"), "type": "Normal",
        "firstTimestamp": at, "lastTimestamp": at,
    });
    let event = serde_json::from_value(event).unwrap();
    operated
        .api(EVENT)
        .create(&PostParams::default(), &event)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_healed_field_is_named() {
    let operated = with_weather().await;
    let change = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "weather-experiment"},
        "data": {"experiment.json": "theirs"},
    });
    operated.apply(change).await;
    operated
        .until(CONFIG_MAP, "weather-experiment", "healed", |map| {
            map["data"]["experiment.json"] != "theirs"
        })
        .await;
    let note = poll(LIMIT, async || {
        let events = operated.api(EVENT).list(&Default::default()).await.unwrap();
        let healed = events
            .items
            .into_iter()
            .find(|event| event.data["reason"] == "Healed")?;
        Some(healed.data["message"].as_str().unwrap().to_owned())
    });
    assert_eq!(
        note.await.unwrap(),
        "put back ConfigMap weather-experiment (somebody changed data)"
    );
}

//! An Experiment becomes its objects, and they follow it.

use std::io::Write as _;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbench_core::render::{Manifests, Renderer, Source};
use testbench_operator::kinds::{CONFIG_MAP, EXPERIMENT, TEST_TRIGGER, TEST_WORKFLOW};

use super::{
    LIMIT, Operated, condition, experiment, host, kubectl, scenarios, with_references, with_weather,
};
use testbench_tests::control_plane::poll;

#[tokio::test]
async fn an_experiment_becomes_what_render_says_and_its_status_tells_so() {
    let operated = with_references().await;
    let spec = json!({"scenarios": scenarios("Hello"), "trigger": {"enabled": true}});
    operated.apply(experiment("weather", spec)).await;
    operated.until_ready("weather").await;

    let stored = super::get(&operated.api(EXPERIMENT), "weather").await;
    for object in rendered(&operated, &stored).await {
        let kind = [CONFIG_MAP, TEST_WORKFLOW, TEST_TRIGGER]
            .into_iter()
            .find(|kind| object["kind"] == kind.kind)
            .unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        let found = super::get(&operated.api(kind), name).await;
        assert_eq!(without_server_metadata(found), object);
    }

    let status = &stored["status"];
    assert_eq!(status["mode"], "inline");
    assert_eq!(status["agentUrl"], "http://bot:8000");
    assert_eq!(
        condition(&stored, "AgentResolved").unwrap()["status"],
        "True"
    );
    assert_eq!(
        condition(&stored, "WorkflowReady").unwrap()["status"],
        "True"
    );
    assert_eq!(condition(&stored, "Reconciling"), None);
    assert_eq!(condition(&stored, "Stalled"), None);
    let names: Vec<_> = status["generatedResources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| resource["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["weather-experiment", "weather-workflow", "weather-trigger"]
    );
    let phases = status["phases"].as_array().unwrap();
    assert!(
        phases
            .iter()
            .all(|phase| phase["digest"].as_str().unwrap().starts_with("sha256:"))
    );
}

/// What `testbench render` makes of the Experiment as the API server holds it.
async fn rendered(operated: &Operated, stored: &Value) -> Vec<Value> {
    let agent = super::get(&operated.api(testbench_operator::kinds::AGENT), "bot").await;
    let text = format!(
        "{}\n---\n{}",
        json!({"apiVersion": "v1", "kind": "List", "items": []}),
        agent
    );
    let manifests = Manifests::read(&[Source {
        name: "agent".into(),
        text,
    }])
    .unwrap();
    let renderer = Renderer::new(host().await, manifests.references, operated.name()).unwrap();
    let desired = renderer.render(stored.clone()).await.unwrap();
    desired
        .objects
        .into_iter()
        .map(|object| object.manifest)
        .collect()
}

/// Without what the API server sets; the owner is there in both.
fn without_server_metadata(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for key in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        metadata.remove(key);
    }
    object
}

#[tokio::test]
async fn objects_follow_the_experiment() {
    let operated = with_weather().await;
    operated
        .apply(experiment(
            "weather",
            json!({"scenarios": scenarios("Good day")}),
        ))
        .await;
    operated
        .until(CONFIG_MAP, "weather-experiment", "updated", |map| {
            map["data"]["experiment.json"]
                .as_str()
                .is_some_and(|text| text.contains("Good day"))
        })
        .await;
}

#[tokio::test]
async fn a_trigger_comes_goes_and_comes_again() {
    let operated = with_references().await;
    for enabled in [true, false, true] {
        let spec = json!({"scenarios": scenarios("Hello"), "trigger": {"enabled": enabled}});
        operated.apply(experiment("weather", spec)).await;
        if enabled {
            operated
                .until(TEST_TRIGGER, "weather-trigger", "there", |trigger| {
                    !trigger.is_null()
                })
                .await;
        } else {
            operated.until_gone(TEST_TRIGGER, "weather-trigger").await;
        }
        operated.until_ready("weather").await;
    }
}

#[tokio::test]
async fn a_change_of_mode_ends_in_exactly_the_objects_of_the_new_mode() {
    let operated = with_references().await;
    let inline = || experiment("weather", json!({"scenarios": scenarios("Hello")}));
    let dataset = || {
        let dataset = json!({"s3": {"bucket": "data", "key": "weather.json"}});
        experiment("weather", json!({"dataset": dataset}))
    };
    for (manifest, mode) in [
        (inline(), "inline"),
        (dataset(), "dataset"),
        (inline(), "inline"),
    ] {
        operated.apply(manifest).await;
        operated
            .until(EXPERIMENT, "weather", mode, |experiment| {
                experiment["status"]["mode"] == mode
                    && experiment["status"]["observedGeneration"]
                        == experiment["metadata"]["generation"]
            })
            .await;
        let map = super::get(&operated.api(CONFIG_MAP), "weather-experiment").await;
        assert_eq!(map["data"]["experiment.json"].is_string(), mode == "inline");
        let workflow = super::get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
        let first = &workflow["spec"]["steps"][0]["name"];
        assert_eq!(first, if mode == "inline" { "run" } else { "setup" });
        assert_eq!(
            operated.generated().await,
            [
                "ConfigMap/weather-experiment",
                "TestWorkflow/weather-workflow"
            ]
        );
    }
}

#[tokio::test]
async fn an_experiment_that_makes_no_sense_is_told_so_and_its_last_good_objects_stay() {
    let operated = with_weather().await;
    let spec = json!({"scenarios": scenarios("Hello"), "schedule": {"cron": "0 0 * * 7"}});
    operated.apply(experiment("weather", spec)).await;
    let message = operated
        .until_condition("weather", "Stalled", "True", "Invalid")
        .await;
    assert!(message.contains("spec.schedule.cron: weekday"), "{message}");
    let stored = super::get(&operated.api(EXPERIMENT), "weather").await;
    for kind in ["Ready", "WorkflowReady"] {
        assert_eq!(
            condition(&stored, kind).unwrap()["status"],
            "False",
            "{kind}"
        );
    }
    assert_eq!(stored["status"]["agentUrl"], "http://bot:8000");
    assert_eq!(
        operated.generated().await,
        [
            "ConfigMap/weather-experiment",
            "TestWorkflow/weather-workflow"
        ]
    );
    operated
        .apply(experiment(
            "weather",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    let merge = json!({"spec": {"schedule": null}});
    let api = operated.api(EXPERIMENT);
    api.patch("weather", &PatchParams::default(), &Patch::Merge(merge))
        .await
        .unwrap();
    operated.until_ready("weather").await;
}

/// The API server stores what no JSON reader of ours goes down to.
#[tokio::test]
async fn an_experiment_that_is_too_deep_to_be_read_is_told_so_and_stops_nobody() {
    let mut operated = with_references().await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
    let text = experiment("deep", json!({"scenarios": scenarios("Hello")})).to_string();
    let text = text.replace(
        r#""input":"Hello""#,
        &format!(r#""input":"Hello","customValues":{deep}"#),
    );
    kubectl_apply(&operated, &text);
    operated
        .apply(experiment(
            "weather",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    operated.until_ready("weather").await;
    // Listed at once, and not one after another as they came.
    operated.stop_operator();
    operated.start_operator().await;
    operated
        .apply(experiment(
            "later",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    operated.until_ready("later").await;
    let reason = r#"jsonpath={.status.conditions[?(@.type=="Stalled")].reason}"#;
    let told = poll(LIMIT, async || {
        let told = kubectl(
            operated.cluster,
            &[
                "-n",
                operated.name(),
                "get",
                "experiment",
                "deep",
                "-o",
                reason,
            ],
        );
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told.await.unwrap(), "Unreadable");
}

/// Our own reader of JSON does not go down to it either.
fn kubectl_apply(operated: &Operated, manifest: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(manifest.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    kubectl(
        operated.cluster,
        &["-n", operated.name(), "create", "-f", path],
    );
}

#[tokio::test]
async fn a_steady_state_costs_no_write_and_a_restart_none_either() {
    let mut operated = with_weather().await;
    operated.stop_operator();
    let before = operated.writes();
    assert!(!before.is_empty());
    operated.start_operator().await;
    // Another Experiment, which is served after everything that was there before.
    operated
        .apply(experiment(
            "later",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    operated.until_ready("later").await;
    let after = operated.writes();
    let of_first: Vec<_> = after[before.len()..]
        .iter()
        .filter(|write| write.contains("weather"))
        .collect();
    assert!(of_first.is_empty(), "{of_first:?}");
}

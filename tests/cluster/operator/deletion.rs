//! An Experiment goes, and what it generated with it.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PropagationPolicy};
use serde_json::json;
use testbench_operator::kinds::{CONFIG_MAP, EXPERIMENT, TEST_TRIGGER, TEST_WORKFLOW};

use super::{experiment, get, scenarios, with_references};

#[tokio::test]
async fn however_it_is_deleted_nothing_is_written_any_more() {
    let operated = with_references().await;
    for (name, policy) in [
        ("background", PropagationPolicy::Background),
        ("foreground", PropagationPolicy::Foreground),
        ("orphan", PropagationPolicy::Orphan),
    ] {
        let orphaned = policy == PropagationPolicy::Orphan;
        let spec = json!({"scenarios": scenarios("Hello"), "trigger": {"enabled": true}});
        operated.apply(experiment(name, spec)).await;
        operated.until_ready(name).await;
        let how = DeleteParams {
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        let before = operated.writes().len();
        operated.delete(EXPERIMENT, name, &how).await;
        operated.until_gone(EXPERIMENT, name).await;
        for (kind, suffix) in [
            (CONFIG_MAP, "experiment"),
            (TEST_WORKFLOW, "workflow"),
            (TEST_TRIGGER, "trigger"),
        ] {
            let object = format!("{name}-{suffix}");
            if orphaned {
                operated
                    .until(kind, &object, "without owner", |found| {
                        !found.is_null() && found["metadata"].get("ownerReferences").is_none()
                    })
                    .await;
            } else {
                operated.until_gone(kind, &object).await;
            }
        }
        let since = operated.writes().split_off(before);
        let put_back: Vec<_> = since
            .iter()
            .filter(|write| write.contains(&format!("/{name}-")))
            .collect();
        assert!(put_back.is_empty(), "{name}: {put_back:?}");
    }
}

#[tokio::test]
async fn one_that_is_created_again_waits_for_the_objects_of_the_first() {
    let operated = with_references().await;
    let manifest = || experiment("weather", json!({"scenarios": scenarios("Hello")}));
    operated.apply(manifest()).await;
    operated.until_ready("weather").await;
    let first = get(&operated.api(EXPERIMENT), "weather").await;
    let finalizers = async |finalizers: &[&str]| {
        let change = json!({"metadata": {"finalizers": finalizers}});
        let (maps, params) = (operated.api(CONFIG_MAP), PatchParams::default());
        let patch = Patch::Merge(change);
        let patched = maps.patch("weather-experiment", &params, &patch).await;
        patched.unwrap();
    };
    finalizers(&["it.example/keep"]).await;
    let how = DeleteParams::background();
    operated.delete(EXPERIMENT, "weather", &how).await;
    operated.until_gone(TEST_WORKFLOW, "weather-workflow").await;
    let kept = operated
        .until(CONFIG_MAP, "weather-experiment", "on its way", |map| {
            !map["metadata"]["deletionTimestamp"].is_null()
        })
        .await;

    operated.apply(manifest()).await;
    let message = operated
        .until_condition("weather", "Ready", "False", "WaitingForDeletion")
        .await;
    let waits_for = format!("ConfigMap {}/weather-experiment", operated.name());
    assert!(message.contains(&waits_for), "{message}");
    let waiting = get(&operated.api(CONFIG_MAP), "weather-experiment").await;
    assert_eq!(waiting, kept, "nothing is written over it");
    assert_eq!(operated.generated().await, ["ConfigMap/weather-experiment"]);

    finalizers(&[]).await;
    operated.until_ready("weather").await;
    let second = get(&operated.api(EXPERIMENT), "weather").await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    for (kind, name) in [
        (CONFIG_MAP, "weather-experiment"),
        (TEST_WORKFLOW, "weather-workflow"),
    ] {
        let owner = &get(&operated.api(kind), name).await["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], second["metadata"]["uid"], "{name}");
    }
}

#[tokio::test]
async fn with_its_namespace_everything_goes_and_nothing_is_put_back() {
    let operated = with_references().await;
    let spec = json!({"scenarios": scenarios("Hello"), "trigger": {"enabled": true}});
    operated.apply(experiment("weather", spec)).await;
    operated.until_ready("weather").await;
    let before = operated.writes().len();
    let namespaces: Api<Namespace> = Api::all(operated.admin.clone());
    namespaces
        .delete(operated.name(), &DeleteParams::background())
        .await
        .unwrap();
    operated.until_gone(EXPERIMENT, "weather").await;
    for (kind, name) in [
        (TEST_TRIGGER, "weather-trigger"),
        (TEST_WORKFLOW, "weather-workflow"),
        (CONFIG_MAP, "weather-experiment"),
    ] {
        operated.until_gone(kind, name).await;
    }
    let since = operated.writes().split_off(before);
    let put_back: Vec<_> = since
        .iter()
        .filter(|write| write.contains("/weather-"))
        .collect();
    assert!(put_back.is_empty(), "{put_back:?}");
}

//! What somebody else does to generated objects, or in their place.

use kube::api::{DeleteParams, Patch, PatchParams, PropagationPolicy};
use serde_json::{Value, json};
use testbench_operator::kinds::{CONFIG_MAP, EXPERIMENT, TEST_WORKFLOW};

use super::{experiment, foreign, get, scenarios, with_references, with_weather};

#[tokio::test]
async fn a_field_of_ours_is_put_back_and_what_others_added_stays() {
    let operated = with_weather().await;
    let maps = operated.api(CONFIG_MAP);
    let before = super::get(&maps, "weather-experiment").await;
    let change = json!({
        "metadata": {"labels": {"theirs": "1", "app.kubernetes.io/part-of": "them"}, "annotations": {"theirs": "2"}},
        "data": {"experiment.json": "{}", "theirs": "3"},
    });
    maps.patch(
        "weather-experiment",
        &PatchParams::default(),
        &Patch::Merge(change),
    )
    .await
    .unwrap();
    let healed = operated
        .until(CONFIG_MAP, "weather-experiment", "healed", |map| {
            map["data"]["experiment.json"] == before["data"]["experiment.json"]
                && map["metadata"]["labels"]["app.kubernetes.io/part-of"] == "testbench"
        })
        .await;
    assert_eq!(healed["metadata"]["labels"]["theirs"], "1");
    assert_eq!(healed["metadata"]["annotations"]["theirs"], "2");
    assert_eq!(healed["data"]["theirs"], "3");

    let change = json!({"spec": {"steps": []}});
    operated
        .api(TEST_WORKFLOW)
        .patch(
            "weather-workflow",
            &PatchParams::default(),
            &Patch::Merge(change),
        )
        .await
        .unwrap();
    operated
        .until(TEST_WORKFLOW, "weather-workflow", "healed", |workflow| {
            workflow["spec"]["steps"]
                .as_array()
                .is_some_and(|steps| steps.len() == 4)
        })
        .await;
}

#[tokio::test]
async fn an_object_that_lost_its_labels_or_was_deleted_comes_back() {
    let operated = with_weather().await;
    let unlabel = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    operated
        .api(CONFIG_MAP)
        .patch(
            "weather-experiment",
            &PatchParams::default(),
            &Patch::Merge(unlabel),
        )
        .await
        .unwrap();
    operated
        .until(CONFIG_MAP, "weather-experiment", "labelled", |map| {
            map["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "testbench"
        })
        .await;
    let before = super::get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
    operated
        .delete(TEST_WORKFLOW, "weather-workflow", &DeleteParams::default())
        .await;
    operated
        .until(
            TEST_WORKFLOW,
            "weather-workflow",
            "there again",
            |workflow| {
                !workflow.is_null() && workflow["metadata"]["uid"] != before["metadata"]["uid"]
            },
        )
        .await;
}

#[tokio::test]
async fn somebody_elses_object_is_left_alone_and_the_conflict_ends_when_it_is_gone() {
    let operated = with_references().await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "weather-experiment"}, "data": {"a": "theirs"},
    });
    foreign(&operated, theirs).await;
    operated
        .apply(experiment(
            "weather",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    let message = operated
        .until_condition("weather", "Ready", "False", "NameConflict")
        .await;
    assert!(
        message.contains(&format!("ConfigMap {}/weather-experiment", operated.name())),
        "{message}"
    );
    let map = super::get(&operated.api(CONFIG_MAP), "weather-experiment").await;
    assert_eq!(map["data"], json!({"a": "theirs"}));
    assert_eq!(
        operated.generated().await,
        ["ConfigMap/weather-experiment"],
        "nothing behind it was written"
    );
    let experiment = super::get(&operated.api(EXPERIMENT), "weather").await;
    assert_eq!(experiment["status"].get("generatedResources"), None);

    operated
        .delete(CONFIG_MAP, "weather-experiment", &DeleteParams::default())
        .await;
    operated.until_ready("weather").await;
}

#[tokio::test]
async fn an_owner_that_was_taken_away_comes_back() {
    let operated = with_weather().await;
    let disown = json!({"metadata": {"ownerReferences": null}});
    operated
        .api(CONFIG_MAP)
        .patch(
            "weather-experiment",
            &PatchParams::default(),
            &Patch::Merge(disown),
        )
        .await
        .unwrap();
    operated
        .until(CONFIG_MAP, "weather-experiment", "owned", |map| {
            map["metadata"]["ownerReferences"][0]["name"] == "weather"
        })
        .await;
    operated.until_ready("weather").await;
}

/// What an Experiment left behind when it was deleted alone is nobody's: another of its name does not take it.
#[tokio::test]
async fn what_was_orphaned_is_not_adopted() {
    let operated = with_references().await;
    let manifest = || experiment("weather", json!({"scenarios": scenarios("Hello")}));
    operated.apply(manifest()).await;
    operated.until_ready("weather").await;
    let alone = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    operated.delete(EXPERIMENT, "weather", &alone).await;
    operated.until_gone(EXPERIMENT, "weather").await;
    operated.apply(manifest()).await;
    operated
        .until_condition("weather", "Ready", "False", "NameConflict")
        .await;
}

/// A controller that wants the field otherwise would be fought for ever.
#[tokio::test]
async fn somebody_who_does_not_give_up_is_named_and_not_fought_at_full_speed() {
    let operated = with_weather().await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "weather-experiment"},
        "data": {"experiment.json": "theirs"},
    });
    let is_theirs = |map: &Value| map["data"]["experiment.json"] == "theirs";
    for _ in 0..5 {
        operated.apply(theirs.clone()).await;
        operated
            .until(CONFIG_MAP, "weather-experiment", "put back", |map| {
                !is_theirs(map)
            })
            .await;
    }
    operated.apply(theirs).await;
    let message = operated
        .until_condition("weather", "Ready", "False", "Contested")
        .await;
    assert!(message.contains("changes ConfigMap"), "{message}");
    assert!(message.contains("at `data`"), "{message}");
    let left = get(&operated.api(CONFIG_MAP), "weather-experiment").await;
    assert!(is_theirs(&left));
    // Once they have given up, it comes right by itself.
    operated
        .until(CONFIG_MAP, "weather-experiment", "put back", |map| {
            !is_theirs(map)
        })
        .await;
    operated.until_ready("weather").await;
}

//! The line to the API server breaks, and what happened meanwhile is noticed.

use std::time::{Duration, Instant};

use kube::Client;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbench_operator::client::configured;
use testbench_operator::kinds::{AGENT, CONFIG_MAP, EXPERIMENT, TEST_WORKFLOW};
use testbench_tests::control_plane::{config_from, poll};

use super::proxy::Proxy;
use super::{LIMIT, Operated, experiment, get, kubeconfig, references, scenarios};

/// With a line that can be broken, and with Experiments that are ready.
async fn with_experiments(longest_silence: Option<Duration>, names: &[&str]) -> Operated {
    let mut operated = Operated::unattended().await;
    operated.line = Some(Proxy::before(operated.cluster.server()));
    operated.longest_silence = longest_silence;
    operated.start_operator().await;
    references(&operated).await;
    for name in names {
        let spec = json!({"scenarios": scenarios("Hello")});
        operated.apply(experiment(name, spec)).await;
        operated.until_ready(name).await;
        operated.until_told(name, "Generated").await;
    }
    operated
}

fn is_another(than: &Value) -> impl Fn(&Value) -> bool {
    let uid = than["metadata"]["uid"].clone();
    move |object| !object.is_null() && object["metadata"]["uid"] != uid
}

/// What nobody but its owner and the garbage collector may change.
fn state(object: &Value) -> Value {
    json!({"uid": object["metadata"]["uid"], "generation": object["metadata"]["generation"], "data": object["data"]})
}

#[tokio::test]
async fn what_goes_while_the_line_is_cut_is_noticed_when_it_is_whole_again() {
    let operated = with_experiments(None, &["weather", "gone"]).await;
    let line = operated.line.as_ref().unwrap();
    let map = get(&operated.api(CONFIG_MAP), "weather-experiment").await;
    let workflow = get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;

    line.cut().await;
    let before = operated.writes().len();
    let mut config = config_from(&kubeconfig(operated.cluster).await)
        .await
        .unwrap();
    config.cluster_url = line.server().parse().unwrap();
    let cut_off = Client::try_from(configured(config)).unwrap();
    assert!(cut_off.apiserver_version().await.is_err(), "it is not cut");

    let how = DeleteParams::background();
    for (kind, name) in [
        (CONFIG_MAP, "weather-experiment"),
        (AGENT, "bot"),
        (EXPERIMENT, "gone"),
    ] {
        operated.delete(kind, name, &how).await;
    }
    for (kind, name) in [
        (CONFIG_MAP, "weather-experiment"),
        (EXPERIMENT, "gone"),
        (CONFIG_MAP, "gone-experiment"),
        (TEST_WORKFLOW, "gone-workflow"),
    ] {
        operated.until_gone(kind, name).await;
    }
    assert_eq!(
        operated.writes().len(),
        before,
        "cut off, it writes nothing"
    );

    line.restore();
    operated
        .until(
            CONFIG_MAP,
            "weather-experiment",
            "there again",
            is_another(&map),
        )
        .await;
    operated
        .until_condition("weather", "AgentResolved", "False", "AgentNotFound")
        .await;
    // Its watch has brought all that came before.
    let later = experiment("later", json!({"scenarios": scenarios("Hello")}));
    operated.apply(later).await;
    operated
        .until_condition("later", "WorkflowReady", "True", "Generated")
        .await;
    let since = operated.writes().split_off(before);
    let wrong: Vec<_> = since
        .iter()
        .filter(|write| {
            // Each watch finds back by itself: one may tell of an object that is gone before another tells that its owner is, too.
            ["/weather-workflow", "/gone"]
                .iter()
                .any(|name| write.contains(name))
                || write.starts_with("delete")
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let found = get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
    assert_eq!(state(&found), state(&workflow));
    let expected = [
        "ConfigMap/later-experiment",
        "ConfigMap/weather-experiment",
        "TestWorkflow/later-workflow",
        "TestWorkflow/weather-workflow",
    ];
    let mut left = Vec::new();
    let clean = poll(LIMIT, async || {
        left = operated.generated().await;
        (left == expected).then_some(())
    });
    assert!(clean.await.is_some(), "{left:?}");
}

/// As behind a firewall that forgets connections: nobody says that they are dead. What a real operator bears in silence is longer,
/// and the same otherwise.
#[tokio::test]
async fn a_connection_that_is_silent_for_too_long_is_given_up() {
    let operated = with_experiments(Some(Duration::from_secs(2)), &["weather"]).await;
    let line = operated.line.as_ref().unwrap();
    let map = get(&operated.api(CONFIG_MAP), "weather-experiment").await;

    line.silence();
    let start = Instant::now();
    let how = DeleteParams::background();
    operated
        .delete(CONFIG_MAP, "weather-experiment", &how)
        .await;
    operated.delete(AGENT, "bot", &how).await;
    line.until_one_is_unanswered().await;
    let given_up = start.elapsed();
    let nothing = get(&operated.api(CONFIG_MAP), "weather-experiment").await;
    assert!(nothing.is_null(), "it is not silent");

    line.restore();
    operated
        .until(
            CONFIG_MAP,
            "weather-experiment",
            "there again",
            is_another(&map),
        )
        .await;
    operated
        .until_condition("weather", "AgentResolved", "False", "AgentNotFound")
        .await;
    let noticed = start.elapsed();
    println!("given up after {given_up:.1?}, noticed after {noticed:.1?}");
}

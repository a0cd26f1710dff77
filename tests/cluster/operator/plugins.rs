//! Teams' own phases: they come, change, break and go while the operator runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbench_core::config::CeilingKind;
use testbench_operator::kinds::{CONFIG_MAP, EXPERIMENT, Kind, PHASE_PLUGIN, TEST_WORKFLOW};
use testbench_test_guests::ECHO;
use testbench_tests::control_plane::poll;

use super::{ACCOUNT, LIMIT, Operated, condition, experiment, references, scenarios, with_weather};

/// A PhasePlugin behind `run`, in all Experiments.
pub(super) fn plugin(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "apiVersion": "testbench.agentic-layer.ai/v1alpha1", "kind": "PhasePlugin",
        "metadata": {"name": name},
        "spec": {
            "source": {"bundled": "template"},
            "placement": {"after": "run"},
            "experimentSelector": {},
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        whole["spec"][key] = value.clone();
    }
    whole
}

/// A ConfigMap that holds a component, and a PhasePlugin that names it.
pub(super) async fn component(operated: &Operated, name: &str, wasm: &[u8]) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "binaryData": {"plugin.wasm": STANDARD.encode(wasm)},
    });
    operated.apply(map).await;
}

fn from_config_map(name: &str, settings: Value) -> Value {
    let source = json!({"configMap": {"name": name, "key": "plugin.wasm"}});
    plugin(name, json!({"source": source, "settings": settings}))
}

/// The names of the workflow's steps.
pub(super) fn steps(workflow: &Value) -> Vec<&str> {
    let steps = workflow["spec"]["steps"].as_array();
    let names = steps.into_iter().flatten();
    names.filter_map(|step| step["name"].as_str()).collect()
}

pub(super) async fn until_steps(operated: &Operated, expected: &[&str]) -> Value {
    let what = format!("with the steps {expected:?}");
    operated
        .until(TEST_WORKFLOW, "weather-workflow", &what, |workflow| {
            steps(workflow) == expected
        })
        .await
}

pub(super) async fn until_plugin(
    operated: &Operated,
    name: &str,
    status: &str,
    reason: &str,
) -> Value {
    let what = format!("Ready={status} because of {reason}");
    operated
        .until(PHASE_PLUGIN, name, &what, |plugin| {
            condition(plugin, "Ready")
                .is_some_and(|found| found["status"] == status && found["reason"] == reason)
                && plugin["status"]["observedGeneration"] == plugin["metadata"]["generation"]
        })
        .await
}

pub(super) const BUNDLED: [&str; 4] = ["run", "evaluate", "publish", "visualize"];
pub(super) const WITH_EXTRA: [&str; 5] = ["run", "extra", "evaluate", "publish", "visualize"];

#[tokio::test]
async fn a_phase_from_yaml_alone_comes_changes_and_goes() {
    let operated = with_weather().await;
    until_steps(&operated, &BUNDLED).await;

    let settings = |template: &str| json!({"settings": {"template": template}});
    operated
        .apply(plugin("extra", settings("run-template")))
        .await;
    until_steps(&operated, &WITH_EXTRA).await;
    let served = until_plugin(&operated, "extra", "True", "Serving").await;
    assert!(
        served["status"]["plugin"]
            .as_str()
            .unwrap()
            .starts_with("template ")
    );
    assert_eq!(served["status"]["contract"], "0.1.0");
    let of = format!("(PhasePlugin {}/extra)", operated.name());
    operated
        .until(
            EXPERIMENT,
            "weather",
            "with the phase in its status",
            |experiment| {
                let phases = experiment["status"]["phases"].as_array();
                let extra =
                    phases.and_then(|all| all.iter().find(|phase| phase["name"] == "extra"));
                extra.is_some_and(|extra| extra["plugin"].as_str().unwrap().ends_with(&of))
            },
        )
        .await;

    // What its settings are not is told, and the last good ones stay.
    operated
        .apply(plugin("extra", json!({"settings": {"timeout": "1m"}})))
        .await;
    let message = operated
        .until_condition("weather", "Ready", "False", "InvalidPhases")
        .await;
    assert!(
        message.contains("extra: spec.settings: expected exactly one of template, image"),
        "{message}"
    );
    until_steps(&operated, &WITH_EXTRA).await;

    operated
        .apply(plugin("extra", settings("evaluate-template")))
        .await;
    operated
        .until(TEST_WORKFLOW, "weather-workflow", "changed", |workflow| {
            workflow["spec"]["steps"][1]["template"]["name"] == "evaluate-template"
        })
        .await;

    operated
        .delete(PHASE_PLUGIN, "extra", &DeleteParams::background())
        .await;
    until_steps(&operated, &BUNDLED).await;
    // The template of `evaluate` asks for nothing that it was not given here, so the Experiment is as it was.
    operated.until_ready("weather").await;
}

#[tokio::test]
async fn one_that_an_experiment_names_is_missed_when_it_goes() {
    let operated = with_weather().await;
    let mut extra = plugin("extra", json!({"settings": {"template": "run-template"}}));
    extra["spec"]
        .as_object_mut()
        .unwrap()
        .remove("experimentSelector");
    operated.apply(extra).await;
    until_plugin(&operated, "extra", "True", "Serving").await;
    let named = json!({"scenarios": scenarios("Hello"), "phases": [{"name": "extra"}]});
    operated.apply(experiment("weather", named)).await;
    until_steps(&operated, &WITH_EXTRA).await;

    operated
        .delete(PHASE_PLUGIN, "extra", &DeleteParams::background())
        .await;
    let message = operated
        .until_condition("weather", "Ready", "False", "PhaseNotFound")
        .await;
    assert!(message.contains("there is no phase `extra`"), "{message}");
    until_steps(&operated, &WITH_EXTRA).await;
}

#[tokio::test]
async fn a_broken_update_leaves_the_last_good_one_serving_also_across_a_restart() {
    let mut operated = with_weather().await;
    let data = |value: &str| {
        json!({"objects": [{
            "key": "note", "apiVersion": "v1", "kind": "ConfigMap", "body": {"data": {"a": value}},
        }]})
    };
    component(&operated, "extra", ECHO).await;
    operated.apply(from_config_map("extra", data("one"))).await;
    let served = until_plugin(&operated, "extra", "True", "Serving").await;
    let good = served["status"]["lastGoodDigest"].clone();
    assert_eq!(good, testbench_engine::digest(ECHO));
    let maps = async |operated: &Operated| {
        let generated = operated.generated().await;
        generated
            .into_iter()
            .filter(|name| name.contains("weather-note-"))
            .collect::<Vec<_>>()
    };
    operated.until_told("weather", "Generated").await;
    operated
        .until(EXPERIMENT, "weather", "with a note", |experiment| {
            experiment["status"]["generatedResources"]
                .as_array()
                .is_some_and(|all| all.len() == 3)
        })
        .await;
    assert_eq!(maps(&operated).await.len(), 1);

    component(&operated, "extra", b"\0asm\x01\0\0\0").await;
    let broken = until_plugin(&operated, "extra", "False", "NotAComponent").await;
    let message = condition(&broken, "Ready").unwrap()["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("found a core module"), "{message}");
    assert!(
        message.contains(&format!("{} goes on serving", good.as_str().unwrap())),
        "{message}"
    );
    assert_eq!(broken["status"]["lastGoodDigest"], good);
    assert_eq!(maps(&operated).await.len(), 1);

    // Not even the ConfigMap is there any more, and a restart changes nothing.
    operated.stop_operator();
    operated
        .delete(CONFIG_MAP, "extra", &DeleteParams::background())
        .await;
    let before = operated.writes();
    operated.start_operator().await;
    until_plugin(&operated, "extra", "False", "ConfigMapNotFound").await;
    assert_eq!(maps(&operated).await.len(), 1);
    let since = operated.writes().split_off(before.len());
    let of_experiment = since
        .iter()
        .filter(|write| !write.contains("/phaseplugins/") && !write.contains("/events"));
    assert_eq!(of_experiment.count(), 0, "{since:#?}");

    component(&operated, "extra", ECHO).await;
    until_plugin(&operated, "extra", "True", "Serving").await;
    operated.apply(from_config_map("extra", data("two"))).await;
    let note = maps(&operated).await.remove(0);
    let note = note.strip_prefix("ConfigMap/").unwrap();
    operated
        .until(CONFIG_MAP, note, "updated", |map| map["data"]["a"] == "two")
        .await;
}

#[tokio::test]
async fn one_that_never_served_writes_and_prunes_nothing() {
    let operated = with_weather().await;
    let missing = from_config_map("extra", json!({}));
    operated.apply(missing).await;
    let broken = until_plugin(&operated, "extra", "False", "ConfigMapNotFound").await;
    let message = condition(&broken, "Ready").unwrap()["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("nothing serves meanwhile"), "{message}");
    let message = operated
        .until_condition("weather", "Ready", "False", "PluginUnavailable")
        .await;
    assert!(
        message.contains("extra cannot serve: ConfigMap"),
        "{message}"
    );
    until_steps(&operated, &BUNDLED).await;

    // Without it, where its failurePolicy says so.
    let mut ignored = from_config_map("extra", json!({}));
    ignored["spec"]["failurePolicy"] = json!("Ignore");
    operated.apply(ignored).await;
    operated
        .until_condition("weather", "Degraded", "True", "PhaseIgnored")
        .await;
    operated.until_ready("weather").await;
}

#[tokio::test]
async fn one_that_replaces_a_bundled_phase_goes_by_its_name_and_gives_it_back() {
    let operated = with_weather().await;
    let judge = json!({
        "placement": {"replaces": "evaluate"}, "userSettings": "Allow",
        "settings": {"template": "run-template", "config": {"agentUrl": "$(agent.url)", "experimentName": "$(experiment.name)"}},
    });
    operated.apply(plugin("judge", judge)).await;
    let evaluate = |workflow: &Value| workflow["spec"]["steps"][1].clone();
    let replaced = operated
        .until(
            TEST_WORKFLOW,
            "weather-workflow",
            "judged otherwise",
            |workflow| evaluate(workflow)["template"]["name"] == "run-template",
        )
        .await;
    assert_eq!(steps(&replaced), BUNDLED);
    assert_eq!(
        evaluate(&replaced)["template"]["config"]["agentUrl"],
        "http://bot:8000"
    );

    let tuned = json!([{"name": "evaluate", "settings": {"timeout": "5m"}}]);
    let spec = json!({"scenarios": scenarios("Hello"), "phases": tuned});
    operated.apply(experiment("weather", spec)).await;
    operated
        .until(TEST_WORKFLOW, "weather-workflow", "tuned", |workflow| {
            evaluate(workflow)["timeout"] == "5m"
        })
        .await;
    operated
        .delete(PHASE_PLUGIN, "judge", &DeleteParams::background())
        .await;
    operated
        .until(
            TEST_WORKFLOW,
            "weather-workflow",
            "judged as before",
            |workflow| {
                let evaluate = evaluate(workflow);
                evaluate["template"]["name"] == "evaluate-template" && evaluate["timeout"] == "5m"
            },
        )
        .await;
}

/// Whatever a PhasePlugin says of itself, it gets what the administrator allows.
#[tokio::test]
async fn no_field_widens_what_a_plugin_may() {
    let operated = with_weather().await;
    for (field, value, message) in [
        (
            "limits",
            json!({"memoryMebibytes": 512}),
            "spec.limits.memoryMebibytes: 512 is more",
        ),
        (
            "limits",
            json!({"wallMilliseconds": 60000}),
            "spec.limits.wallMilliseconds: 60000 is more",
        ),
        (
            "allowed",
            json!({"workflowPaths": ["**"]}),
            "spec.allowed.workflowPaths: `**`",
        ),
        (
            "allowed",
            json!({"kinds": [{"apiVersion": "v1", "kind": "Secret"}]}),
            "spec.allowed.kinds: v1 Secret",
        ),
    ] {
        operated
            .apply(plugin(
                "extra",
                json!({"settings": {"template": "run-template"}, field: value}),
            ))
            .await;
        let refused = until_plugin(&operated, "extra", "False", "BeyondCeiling").await;
        let found = condition(&refused, "Compatible").unwrap()["message"]
            .as_str()
            .unwrap();
        assert!(found.starts_with(message), "{found}");
        operated
            .until_condition("weather", "Ready", "False", "PluginUnavailable")
            .await;
        until_steps(&operated, &BUNDLED).await;
    }
}

/// The administrator names the kind, and grants the operator the rights for it.
#[tokio::test]
async fn a_kind_within_the_ceiling_is_generated_owned_and_pruned() {
    let mut operated = Operated::unattended().await;
    operated.administration.ceiling.kinds = vec![CeilingKind {
        api_version: "v1".to_owned(),
        kind: "Service".to_owned(),
        plural: "services".to_owned(),
    }];
    let group = "rbac.authorization.k8s.io";
    let verbs = ["get", "list", "watch", "create", "patch", "delete"];
    operated
        .apply(json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "services"},
            "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": verbs}],
        }))
        .await;
    operated
        .apply(json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "services"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "services"},
            "subjects": [{"kind": "ServiceAccount", "namespace": ACCOUNT.0, "name": ACCOUNT.1}],
        }))
        .await;
    operated.start_operator().await;
    references(&operated).await;
    let spec = json!({"scenarios": scenarios("Hello")});
    operated.apply(experiment("weather", spec)).await;
    operated.until_ready("weather").await;

    component(&operated, "door", ECHO).await;
    let body = json!({"spec": {"ports": [{"port": 80}]}});
    let mut door = from_config_map(
        "door",
        json!({"objects": [{"key": "door", "apiVersion": "v1", "kind": "Service", "body": body}]}),
    );
    door["spec"]["allowed"] = json!({"kinds": [{"apiVersion": "v1", "kind": "Service"}]});
    operated.apply(door).await;
    let services = operated.api(SERVICE);
    let ours = async || {
        let all = services.list(&Default::default()).await.unwrap().items;
        all.into_iter()
            .find(|service| service.name_any().starts_with("weather-door-"))
    };
    let made = poll(LIMIT, ours).await.expect("never a Service");
    assert_eq!(made.owner_references()[0].name, "weather");
    operated.until_ready("weather").await;

    operated
        .delete(PHASE_PLUGIN, "door", &DeleteParams::background())
        .await;
    let gone = poll(LIMIT, async || ours().await.is_none().then_some(())).await;
    assert!(gone.is_some(), "the Service stays");
}

const SERVICE: Kind = Kind {
    api_version: "v1",
    kind: "Service",
    plural: "services",
};

//! Phases from a real registry: by tag, which moves; without the registry; from a registry that nobody allowed; with a pull secret.

use kube::api::{Api, DeleteParams, DynamicObject};
use serde_json::{Value, json};
use testbench_core::config::{PluginConfig, Registry as Allowed};
use testbench_operator::kinds::{EXPERIMENT, PHASE_PLUGIN, TEST_WORKFLOW};
use testbench_registry::{Artifact, Client, Credentials, Rule, Rules};
use testbench_test_guests::ECHO;
use testbench_test_programs::Registry;

use super::plugins::{BUNDLED, WITH_EXTRA, plugin, steps, until_plugin, until_steps};
use super::{Operated, condition, experiment, get, kubectl, references, scenarios, shared};

/// With an Experiment `weather`, and an operator that may ask this registry.
pub(super) async fn with_registry(registry: &Registry) -> Operated {
    let mut operated = Operated::unattended().await;
    operated.administration = allowing(&registry.host());
    operated.start_operator().await;
    references(&operated).await;
    let spec = json!({"scenarios": scenarios("Hello")});
    operated.apply(experiment("weather", spec)).await;
    operated.until_ready("weather").await;
    operated
}

fn allowing(host: &str) -> PluginConfig {
    PluginConfig {
        registries: vec![Allowed {
            host: host.to_owned(),
            ca: None,
            plain_http: true,
            allow_private_addresses: false,
            also: Vec::new(),
        }],
        ..PluginConfig::default()
    }
}

async fn push(registry: &Registry, tag: &str, wasm: &[u8]) {
    let rules = Rules {
        registries: vec![Rule {
            host: registry.host(),
            plain_http: true,
            ..Rule::default()
        }],
        ..Rules::default()
    };
    let artifact = Artifact {
        wasm: wasm.to_vec(),
        ..Artifact::default()
    };
    let reference = format!("{}/{tag}", registry.host()).parse().unwrap();
    let client = Client::new(&rules).unwrap();
    let anonymous = Credentials::anonymous();
    let pushed = client.push(&reference, &anonymous, artifact).await;
    pushed.unwrap();
}

fn from_registry(registry: &Registry, more: Value) -> Value {
    let mut oci = json!({"reference": format!("{}/team/extra:1", registry.host()), "pollIntervalSeconds": 10});
    for (key, value) in more.as_object().unwrap() {
        oci[key] = value.clone();
    }
    let step = json!({"workflow": {"steps": [{"shell": "true"}]}});
    plugin("extra", json!({"source": {"oci": oci}, "settings": step}))
}

/// A component of the right world that no host can describe.
fn broken() -> Vec<u8> {
    let mut wasm = ECHO.to_vec();
    // The end of the last section is missing.
    wasm.truncate(wasm.len() - 100);
    wasm
}

fn message(object: &Value, kind: &str) -> String {
    condition(object, kind).unwrap()["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_tag_that_moves_is_followed_unless_it_leads_to_something_broken() {
    let registry = Registry::start().unwrap();
    push(&registry, "team/extra:1", ECHO).await;
    let mut operated = with_registry(&registry).await;
    operated.apply(from_registry(&registry, json!({}))).await;
    until_steps(&operated, &WITH_EXTRA).await;
    let served = until_plugin(&operated, "extra", "True", "Serving").await;
    let good = testbench_engine::digest(ECHO);
    assert_eq!(served["status"]["digest"], good);
    let resolved = served["status"]["resolvedReference"].as_str().unwrap();
    assert!(
        resolved.contains("/team/extra:1@sha256:") || resolved.contains("/team/extra@sha256:"),
        "{resolved}"
    );

    push(&registry, "team/extra:1", &broken()).await;
    let refused = until_plugin(&operated, "extra", "False", "CompileFailed").await;
    assert_eq!(
        refused["status"]["digest"],
        testbench_engine::digest(&broken())
    );
    assert_eq!(refused["status"]["lastGoodDigest"], good);
    assert!(message(&refused, "Ready").contains(&format!("{good} goes on serving")));
    until_steps(&operated, &WITH_EXTRA).await;
    operated.until_ready("weather").await;

    push(&registry, "team/extra:1", ECHO).await;
    until_plugin(&operated, "extra", "True", "Serving").await;

    // The registry goes, and then the operator starts again.
    operated.stop_operator();
    drop(registry);
    let workflow = get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
    operated.start_operator().await;
    let served = until_plugin(&operated, "extra", "False", "FetchFailed").await;
    assert!(message(&served, "Ready").contains("goes on serving"));
    assert!(condition(&served, "Reconciling").is_some());
    operated.until_ready("weather").await;
    let after = get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        workflow["metadata"]["resourceVersion"]
    );

    operated
        .delete(PHASE_PLUGIN, "extra", &DeleteParams::background())
        .await;
    until_steps(&operated, &BUNDLED).await;
}

#[tokio::test]
async fn a_registry_that_nobody_allowed_is_not_asked_and_a_pull_secret_only_when_it_may_be_read() {
    let registry = Registry::start().unwrap();
    push(&registry, "team/extra:1", ECHO).await;
    let operated = with_registry(&registry).await;
    let mut elsewhere = from_registry(&registry, json!({}));
    elsewhere["spec"]["source"]["oci"]["reference"] = json!("registry.example/team/extra:1");
    operated.apply(elsewhere).await;
    let refused = until_plugin(&operated, "extra", "False", "RegistryNotAllowed").await;
    let why = message(&refused, "Fetched");
    assert!(
        why.contains("add `- host: registry.example` to plugins.registries"),
        "{why}"
    );
    operated
        .until_condition("weather", "Ready", "False", "PluginUnavailable")
        .await;

    let secret = json!({"pullSecretRef": {"name": "pull"}});
    operated
        .apply(from_registry(&registry, secret.clone()))
        .await;
    let refused = until_plugin(&operated, "extra", "False", "PullSecretForbidden").await;
    // What the condition says is what helps.
    let why = message(&refused, "Fetched");
    let (_, yaml) = why.split_once("---\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rights.yaml");
    std::fs::write(&file, yaml).unwrap();
    kubectl(shared(), &["apply", "-f", file.to_str().unwrap()]);
    let user = "--docker-username=team";
    let server = format!("--docker-server={}", registry.host());
    kubectl(
        shared(),
        &[
            "create",
            "secret",
            "docker-registry",
            "pull",
            "--namespace",
            operated.name(),
            user,
            "--docker-password=secret",
            &server,
        ],
    );
    until_plugin(&operated, "extra", "True", "Serving").await;
    until_steps(&operated, &WITH_EXTRA).await;
    // The right to one Secret is a right to no other.
    let other = json!({"pullSecretRef": {"name": "other"}});
    operated.apply(from_registry(&registry, other)).await;
    let refused = until_plugin(&operated, "extra", "False", "PullSecretForbidden").await;
    assert!(message(&refused, "Ready").contains("goes on serving"));
}

#[tokio::test]
async fn plugins_of_two_namespaces_do_not_see_each_other() {
    let mut operated = Operated::unattended().await;
    for _ in 0..2 {
        operated
            .others
            .push(operated.cluster.namespace().await.unwrap());
    }
    operated.administration.tenants = true;
    operated.start_operator().await;
    let (a, b) = (operated.others[0].name(), operated.others[1].name());
    let within = |mut object: Value, namespace: &str| {
        object["metadata"]["namespace"] = json!(namespace);
        object
    };
    let settings = |template: &str| json!({"settings": {"template": template}});
    let spec = json!({"scenarios": scenarios("Hello")});
    for namespace in [a, b] {
        let weather = experiment("weather", spec.clone());
        operated.apply(within(weather, namespace)).await;
        let own = plugin("extra", settings(&format!("of-{namespace}")));
        operated.apply(within(own, namespace)).await;
    }
    let only_a = plugin("only", settings("only-a"));
    operated.apply(within(only_a, a)).await;
    let shared_by_all = plugin("shared", settings("shared"));
    operated.apply(within(shared_by_all, operated.name())).await;

    let template = |workflow: &Value, name: &str| {
        let steps = workflow["spec"]["steps"].as_array().unwrap().clone();
        let step = steps.into_iter().find(|step| step["name"] == name);
        step.map(|step| step["template"]["name"].clone())
    };
    for (namespace, names) in [
        (
            a,
            vec![
                "run",
                "extra",
                "only",
                "shared",
                "evaluate",
                "publish",
                "visualize",
            ],
        ),
        (
            b,
            vec!["run", "extra", "shared", "evaluate", "publish", "visualize"],
        ),
    ] {
        let workflows: Api<DynamicObject> = Api::namespaced_with(
            operated.admin.clone(),
            namespace,
            &TEST_WORKFLOW.api_resource(),
        );
        let seen = testbench_tests::control_plane::poll(super::LIMIT, async || {
            let workflow = get(&workflows, "weather-workflow").await;
            (steps(&workflow) == names).then_some(workflow)
        });
        let workflow = seen
            .await
            .unwrap_or_else(|| panic!("{namespace}: never {names:?}"));
        assert_eq!(
            template(&workflow, "extra"),
            Some(json!(format!("of-{namespace}")))
        );
        // What it names decides nothing for the other namespace.
        let experiments: Api<DynamicObject> = Api::namespaced_with(
            operated.admin.clone(),
            namespace,
            &EXPERIMENT.api_resource(),
        );
        let stored = get(&experiments, "weather").await;
        let foreign = if namespace == a { b } else { a };
        assert!(
            !stored["status"].to_string().contains(foreign),
            "{stored:#}"
        );
    }
}

/// Whoever knows a digest, and that somebody else's component is in the cache, has no right to it by that.
#[tokio::test]
async fn what_is_cached_serves_nobody_whose_registry_does_not_give_it() {
    let (theirs, other) = (Registry::start().unwrap(), Registry::start().unwrap());
    push(&theirs, "team/extra:1", ECHO).await;
    let mut operated = Operated::unattended().await;
    operated.administration = allowing(&theirs.host());
    let another = allowing(&other.host()).registries;
    operated.administration.registries.extend(another);
    operated.start_operator().await;
    operated.apply(from_registry(&theirs, json!({}))).await;
    let served = until_plugin(&operated, "extra", "True", "Serving").await;
    let (_, manifest) = served["status"]["resolvedReference"]
        .as_str()
        .unwrap()
        .split_once('@')
        .unwrap();

    let reference = json!({"reference": format!("{}/team/extra@{manifest}", other.host())});
    let mut stolen = from_registry(&other, reference);
    stolen["metadata"]["name"] = json!("stolen");
    operated.apply(stolen).await;
    let refused = until_plugin(&operated, "stolen", "False", "ArtifactNotFound").await;
    assert!(message(&refused, "Ready").contains("nothing serves meanwhile"));
}

/// One in each language, as a team would ship it.
#[cfg(feature = "languages")]
#[tokio::test]
async fn the_examples_serve_in_a_cluster() {
    let registry = Registry::start().unwrap();
    let operated = with_registry(&registry).await;
    let built = |name: &str| {
        let script = testbench_tests::folder("../hack/example.sh");
        let output = std::process::Command::new(script)
            .arg(name)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::read(String::from_utf8(output.stdout).unwrap().trim()).unwrap()
    };
    let red_team = testbench_test_guests::RED_TEAM.to_vec();
    for (name, after, wasm) in [
        ("red-team", "run", red_team),
        ("gate", "visualize", built("gate")),
        ("notification", "gate", built("notification")),
    ] {
        push(&registry, &format!("team/{name}:1"), &wasm).await;
        let oci = json!({"reference": format!("{}/team/{name}:1", registry.host())});
        let spec = json!({"source": {"oci": oci}, "placement": {"after": after}});
        operated.apply(plugin(name, spec)).await;
    }
    for name in ["red-team", "gate", "notification"] {
        until_plugin(&operated, name, "True", "Serving").await;
    }
    let spec = json!({
        "scenarios": scenarios("Hello"),
        "env": [{"name": "WEBHOOK_URL", "value": "https://chat.example"}, {"name": "OPENAI_BASE_URL", "value": "http://model"}],
    });
    operated.apply(experiment("weather", spec)).await;
    let steps = [
        "run",
        "red-team",
        "evaluate",
        "publish",
        "visualize",
        "gate",
        "notification",
    ];
    until_steps(&operated, &steps).await;
}

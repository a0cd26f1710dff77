//! The API server and `render` are of one mind on an Experiment.

use std::fs;
use std::path::PathBuf;

use http::Request;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::core::Status;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testbench_core::admission::Schema;
use testbench_core::yaml;
use testbench_tests::control_plane::poll;
use testbench_tests::folder;

use super::{LIMIT, by_value, shared};

/// Accepted with this spec, or refused at these paths.
type Verdict = Result<Value, Vec<String>>;

/// Ours is the only CustomResourceDefinition here, and every test wants it as it is.
async fn install_crd(client: &Client) -> CustomResourceDefinition {
    let file = folder("../crds/experiments.testbench.agentic-layer.ai.yaml");
    let text = fs::read_to_string(file).unwrap();
    let crd = yaml::parse(&text).unwrap().remove(0).value;
    let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    let apply = PatchParams::apply("testbench-tests").validation_strict();
    crds.patch(&name, &apply, &Patch::Apply(&crd))
        .await
        .unwrap();
    let established = poll(LIMIT, async || {
        let crd = crds.get(&name).await.unwrap();
        (condition(&crd, "Established").as_deref() == Some("True")).then_some(crd)
    });
    established
        .await
        .unwrap_or_else(|| panic!("{name} was not established"))
}

fn condition(crd: &CustomResourceDefinition, wanted: &str) -> Option<String> {
    let conditions = crd.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|it| it.type_ == wanted)?;
    Some(condition.status.clone())
}

#[tokio::test]
async fn our_crd_is_accepted() {
    let client = shared().client().await.unwrap();
    let crd = install_crd(&client).await;
    assert_eq!(condition(&crd, "NamesAccepted").as_deref(), Some("True"));
    assert_eq!(condition(&crd, "NonStructuralSchema"), None);
    assert_eq!(crd.name_any(), "experiments.testbench.agentic-layer.ai");
}

/// Creating `object`, on trial.
async fn servers_verdict(client: &Client, namespace: &str, object: &Value) -> Verdict {
    let uri = format!(
        "/apis/testbench.agentic-layer.ai/v1alpha1/namespaces/{namespace}/experiments?dryRun=All&fieldValidation=Strict"
    );
    let request = Request::post(uri)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(object).unwrap())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(created) => Ok(by_value(created["spec"].clone())),
        Err(kube::Error::Api(status)) => Err(paths(&status)),
        Err(error) => panic!("{error}"),
    }
}

/// Most stand in the details of the answer. Its text holds unknown fields, and what is no metadata at all, which Go's own
/// words name without the last step of the path.
fn paths(status: &Status) -> Vec<String> {
    let unknown = status.message.split("unknown field \"").skip(1);
    let mut paths: Vec<_> = unknown
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    let unreadable = status.message.split("Go struct field ObjectMeta.").nth(1);
    let unreadable = unreadable.and_then(|rest| rest.split(' ').next());
    paths.extend(unreadable.map(|field| format!("metadata.{field}")));
    let causes = status.details.iter().flat_map(|details| &details.causes);
    // `<nil>` stands for the remark that rules were not looked at, because of the rest.
    let causes = causes.filter(|cause| cause.field != "<nil>");
    paths.extend(causes.map(|cause| cause.field.clone()));
    if paths.is_empty() {
        paths.push(format!("(no path) {} {}", status.code, status.message));
    }
    paths
}

fn our_verdict(schema: &Schema, object: &Value) -> Verdict {
    match schema.admit(object.clone()) {
        Ok(admitted) => Ok(by_value(admitted["spec"].clone())),
        Err(refusals) => Err(refusals.into_iter().map(|refusal| refusal.path).collect()),
    }
}

/// The same object; or refused, and what the server names first is among ours, and nothing is that the server does not name.
///
/// Not the same list: the server finds faults of one kind in another order each time, because Go's maps have none, and
/// after bounds and duplicates it still looks at rules, where we stop.
fn agree(theirs: &Verdict, ours: &Verdict) -> bool {
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => theirs == ours,
        (Err(theirs), Err(ours)) => {
            let first = theirs.first();
            first.is_some_and(|theirs| ours.iter().any(|ours| names(theirs, ours)))
                && ours
                    .iter()
                    .all(|ours| theirs.iter().any(|theirs| names(theirs, ours)))
        }
        _ => false,
    }
}

/// Of `metadata`, ours may be an entry of the field that the server names.
fn names(theirs: &str, ours: &str) -> bool {
    let rest = ours.strip_prefix(theirs);
    let entry = |rest: &str| theirs.starts_with("metadata.") && rest.starts_with('.');
    rest.is_some_and(|rest| rest.is_empty() || entry(rest))
}

/// Experiments, each with where it comes from, and those where the verdicts are known to differ.
async fn compare(
    experiments: impl IntoIterator<Item = (String, Value)>,
    different: &[&str],
) -> usize {
    let control_plane = shared();
    let client = control_plane.client().await.unwrap();
    install_crd(&client).await;
    let namespace = control_plane.namespace().await.unwrap();
    let schema = Schema::experiment().unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (origin, mut experiment) in experiments {
        if let Some(metadata) = experiment["metadata"].as_object_mut() {
            metadata.insert("namespace".to_owned(), json!(namespace.name()));
            // Only the server gives these, and only an update may carry them.
            metadata.retain(|field, _| field != "resourceVersion" && field != "uid");
        }
        let theirs = servers_verdict(&client, namespace.name(), &experiment).await;
        let ours = our_verdict(&schema, &experiment);
        let verdicts = format!("{origin}:\n  server {theirs:?}\n  we     {ours:?}");
        match (agree(&theirs, &ours), different.contains(&origin.as_str())) {
            (true, false) | (false, true) => {}
            (false, false) => wrong.push(verdicts),
            (true, true) => wrong.push(format!("the same now; take it off the list:\n{verdicts}")),
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    compared
}

/// Every Experiment of the cases, among them one for each rule of the schema.
#[tokio::test]
async fn the_server_says_of_every_case_what_we_say() {
    let mut experiments = Vec::new();
    for file in inputs() {
        // Some cases are about files that are no YAML.
        let documents = yaml::parse(&fs::read_to_string(&file).unwrap()).unwrap_or_default();
        let documents = documents.into_iter().map(|document| document.value);
        for object in documents.filter(|object| object["kind"] == "Experiment") {
            experiments.push((file.display().to_string(), object));
        }
    }
    let compared = compare(experiments, &[]).await;
    assert!(compared > 50, "only {compared} Experiments found");
}

fn inputs() -> Vec<PathBuf> {
    let mut inputs = Vec::new();
    let mut folders = vec![folder("cases")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "input.yaml") {
                inputs.push(path);
            }
        }
    }
    inputs
}

const SCENARIOS: &str = "scenarios: [{name: a, steps: [{input: Hello}]}]";

/// What no case is about: nulls, numbers, bounds, several faults at once, free-form objects.
#[tokio::test]
async fn the_server_says_of_odd_ones_what_we_say() {
    let with = |rest: &str| format!("agentRef: {{name: bot}}\n{rest}");
    let and = |rest: &str| with(&format!("{SCENARIOS}\n{rest}"));
    let step = |step: &str| with(&format!("scenarios: [{{name: a, steps: [{step}]}}]"));
    let many = |count: usize, entry: &dyn Fn(usize) -> String| {
        (0..count).map(entry).collect::<Vec<_>>().join(", ")
    };
    let scenarios = many(1001, &|i| format!("{{name: s{i}, steps: [{{input: x}}]}}"));
    // The size that the API is made for; rules have a budget for their cost, too.
    let metrics = many(20, &|i| format!("{{metricName: m{i}}}"));
    let steps = many(5, &|_| format!("{{input: x, metrics: [{metrics}]}}"));
    let large = many(200, &|i| format!("{{name: s{i}, steps: [{steps}]}}"));
    let specs = [
        with(&format!("scenarios: [{large}]")),
        // Nulls.
        and("dataset: null\ntrigger: null\nenv: null"),
        and("trigger: {enabled: null, event: null, concurrencyPolicy: null}"),
        and("env: [{name: A, value: null}]"),
        and("env: [{name: A, valueFrom: {secretKeyRef: {key: k, name: null, optional: null}}}]"),
        and("env: [null]"),
        and("phases: [{name: run, settings: null}]"),
        and("phases: [{name: run, settings: {a: null, b: [null]}}]"),
        with("scenarios: null"),
        with("scenarios: [null]"),
        with("scenarios: [{name: null, steps: [{input: x}]}]"),
        with("dataset: {url: null}"),
        with("dataset: {url: null, s3: {bucket: b, key: k}}"),
        step("{input: null}"),
        step("{input: x, reference: null, customValues: null}"),
        step("{input: x, customValues: {a: null, b: {c: [null]}}}"),
        step("{input: x, metrics: [{metricName: m, threshold: null}]}"),
        step("{input: x, reference: {toolCalls: [{name: t, args: {a: null}}], topics: [null]}}"),
        "agentRef: null\nscenarios: [{name: a, steps: [{input: x}]}]".to_owned(),
        // Numbers.
        and("defaultThreshold: 0"),
        and("defaultThreshold: 1.0"),
        and("defaultThreshold: 1e0"),
        and("defaultThreshold: -0.0"),
        and("defaultThreshold: 1.0000000001"),
        and("defaultThreshold: '0.5'"),
        step(
            "{input: x, customValues: {a: 1.0, b: 1e3, c: 9223372036854775808, d: 0.1, e: 1e21, f: 123456789012345678901234567890, g: -0.0, h: 18446744073709551615}}",
        ),
        // Types.
        and("suspend: yes"),
        and("suspend: 'true'"),
        and("suspend: 1"),
        and("llmAsAJudgeModel: 1"),
        and("env: {}"),
        and("env: [{name: A, value: 1}]"),
        and("env: [{name: A, value: true}]"),
        with("scenarios: {}"),
        with("scenarios: [x]"),
        with("dataset: x"),
        step("x"),
        step("{input: 1}"),
        step("{input: x, customValues: []}"),
        step("{input: x, reference: {topics: x}}"),
        step("{input: x, reference: {toolCalls: [{name: t, args: x}]}}"),
        "agentRef: bot\nscenarios: [{name: a, steps: [{input: x}]}]".to_owned(),
        "agentRef: [bot]\nscenarios: [{name: a, steps: [{input: x}]}]".to_owned(),
        // Bounds.
        with(&format!("scenarios: [{scenarios}]")),
        with("scenarios: []"),
        with("scenarios: [{name: a, steps: []}]"),
        with("scenarios: [{name: '', steps: [{input: x}]}]"),
        with(&format!(
            "scenarios: [{{name: {}, steps: [{{input: x}}]}}]",
            "n".repeat(5000)
        )),
        with("dataset: {url: ''}"),
        with("dataset: {url: 'https://'}"),
        with("dataset: {url: 'HTTPS://example.com'}"),
        with("dataset: {url: 'https:// example.com'}"),
        with("dataset: {url: 'https://exämple.com/x'}"),
        with("dataset: {s3: {bucket: '', key: ''}}"),
        with(&format!(
            "dataset: {{url: 'https://example.com/{}'}}",
            "x".repeat(20_000)
        )),
        and("env: [{name: ''}]"),
        and("env: [{name: 'A=B'}]"),
        and("env: [{name: 'ä'}]"),
        and("env: [{name: 'A B', value: \"\\u0000\"}]"),
        and("env: [{name: A}, {name: A}]"),
        and("env: [{name: A, value: x, valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
        and("env: [{name: A, valueFrom: {}}]"),
        and("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
        and("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1}}}]"),
        and("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}]"),
        and(
            "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1.5}}}]",
        ),
        and("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: x}}}]"),
        and("schedule: {cron: ''}"),
        and("schedule: {cron: 'not a cron', timezone: nowhere}"),
        and("trigger: {}"),
        and("trigger: {enabled: true, event: modified, concurrencyPolicy: Replace}"),
        and("otlpEndpoint: ''"),
        and("otlpEndpoint: 'x y'"),
        and("aiGatewayRef: {name: ''}"),
        and(
            "aiGatewayRef: {name: g, kind: K, uid: u, apiVersion: v, fieldPath: f, resourceVersion: '1'}",
        ),
        and("phases: [{name: ''}]"),
        and("phases: [{name: run, enabled: false}, {name: setup}]"),
        "agentRef: {name: 'Not_A_Name'}\nscenarios: [{name: a, steps: [{input: x}]}]".to_owned(),
        "agentRef: {name: bot, namespace: ''}\nscenarios: [{name: a, steps: [{input: x}]}]"
            .to_owned(),
        // Unknown fields, also where something else is wrong.
        and("unknown: 1"),
        step("{input: x, metrics: [{metricName: m, treshold: 1}]}"),
        with("dataset: {urls: x}\ndefaultThreshold: 2"),
        with("unknown: null"),
        step("{input: x, customValues: {anything: {at: [all]}}}"),
        // Which comes first.
        with("dataset: {}\ndefaultThreshold: 2"),
        with("dataset: {}\nscenarios: []"),
        with("scenarios: [{name: a}, {name: a}]"),
        with(
            "scenarios: [{name: a, steps: [{input: x}]}, {name: a, steps: [{input: x}]}]\ndataset: {}",
        ),
        with(
            "scenarios: [{name: a, steps: [{input: x}]}, {name: b, steps: [{input: x}]}, {name: a, steps: [{input: x}]}, {name: b, steps: [{input: x}]}]",
        ),
        and("phases: [{name: run}, {name: run}]\ndefaultThreshold: 2"),
        // The spelling of the earlier operator.
        with(
            "dataset: {inline: {scenarios: [{name: a, steps: [{input: x}]}], llmAsAJudgeModel: m, defaultThreshold: 0.5}}",
        ),
        with("dataset: {inline: {scenarios: []}}"),
        with("dataset: {inline: {}}"),
        with(
            "dataset: {inline: {scenarios: [{name: a, steps: [{input: x}]}], defaultThreshold: 2}}",
        ),
        with(
            "dataset: {inline: {scenarios: [{name: a, steps: [{input: x}]}, {name: a, steps: [{input: x}]}]}}",
        ),
        with("dataset: {url: 'https://x', inline: {scenarios: [{name: a, steps: [{input: x}]}]}}"),
        with(""),
        String::new(),
    ];
    let experiments = specs.map(|spec| {
        let mut object = experiment(json!({"name": "x"}));
        let spec_value = yaml::parse(&format!(
            "spec:\n  {}\n",
            spec.trim_end().replace('\n', "\n  ")
        ));
        object["spec"] = spec_value.unwrap().remove(0).value["spec"].take();
        let mut origin = spec;
        origin.truncate(200);
        (origin, object)
    });
    compare(experiments, &[]).await;
}

fn experiment(metadata: Value) -> Value {
    json!({
        "apiVersion": "testbench.agentic-layer.ai/v1alpha1",
        "kind": "Experiment",
        "metadata": metadata,
        "spec": {"agentRef": {"name": "bot"}, "scenarios": [{"name": "a", "steps": [{"input": "Hello"}]}]},
    })
}

/// What we say otherwise of metadata, mostly of what decides nothing that is generated.
const DIFFERENT_METADATA: &[&str] = &[
    // An owner that can be none.
    r#"{"name":"x","ownerReferences":[{"apiVersion":"a/b/c","kind":"A","name":"n","uid":"u"}]}"#,
    // Only the server writes it.
    r#"{"creationTimestamp":"x","name":"x"}"#,
    // Without a cluster nobody completes the name, and all others are made of it.
    r#"{"generateName":"x-"}"#,
];

#[tokio::test]
async fn the_server_says_of_metadata_what_we_say() {
    let longest = format!("{}.{}", "a".repeat(200), "b".repeat(52));
    let metadata = [
        json!({}),
        json!({"name": ""}),
        json!({"name": null}),
        json!({"name": 1}),
        json!({"name": longest}),
        json!({"name": format!("{longest}c")}),
        json!({"name": "a".repeat(100)}),
        json!({"name": "Upper"}),
        json!({"name": "a..b"}),
        json!({"name": "-a"}),
        json!({"name": "a.b-c"}),
        json!({"name": "x", "labels": {"a": "b"}, "annotations": {"c": "d"}}),
        json!({"name": "x", "labels": {"a": 1}}),
        json!({"name": "x", "labels": {"a": null}}),
        json!({"name": "x", "labels": null, "annotations": null}),
        json!({"name": "x", "labels": {"a b": "c"}}),
        json!({"name": "x", "labels": {"a": "b c"}}),
        json!({"name": "x", "labels": {"a": "b".repeat(64)}}),
        json!({"name": "x", "annotations": {"a b": "c"}}),
        json!({"name": "x", "annotations": []}),
        json!({"name": "x", "annotations": {"a": true}}),
        json!({"name": "x", "label": {}}),
        json!({"name": "x", "label": {}, "labels": {"a": 1}}),
        json!({"name": "x", "labels": {"A.b/C": "", "/x": "", "a/": "", "a/b/c": "", "-a": ""}}),
        json!({"name": "x", "labels": {"example.com/A_b.c": "D_e", "a".repeat(63): "b".repeat(63)}}),
        json!({"name": "x", "labels": {"a".repeat(64): "b"}}),
        json!({"name": "x", "labels": []}),
        json!({"name": "x", "annotations": {"EXAMPLE.com/x": "any thing", "a": null}}),
        json!({"name": "x", "annotations": {"A_b/x": ""}}),
        json!({"name": "x", "annotations": {"a": "b".repeat(256 * 1024)}}),
        json!({"name": "x", "annotations": {"a": "b".repeat(256 * 1024 - 1)}}),
        json!({"name": "x", "generateName": "x_"}),
        json!({"name": "x", "generateName": "x-"}),
        json!({"name": "x", "generateName": 1}),
        json!({"name": "x", "creationTimestamp": "x"}),
        json!({"name": "x", "finalizers": null}),
        json!({"name": "x", "finalizers": "a"}),
        json!({"name": "x", "finalizers": [1]}),
        json!({"name": "x", "finalizers": [null]}),
        json!({"name": "x", "finalizers": ["a b"]}),
        json!({"generateName": "x-"}),
        json!({"name": "x", "finalizers": ["nonsense"]}),
        json!({"name": "x", "finalizers": ["example.com/f"]}),
        json!({"name": "x", "ownerReferences": [{}]}),
        json!({"name": "x", "ownerReferences": [null]}),
        json!({"name": "x", "ownerReferences": ["a"]}),
        json!({"name": "x", "ownerReferences": {}}),
        json!({"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "n", "uid": "u"}]}),
        json!({"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "n", "uid": ""}]}),
        json!({"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "n", "uid": "u", "of": 1}]}),
        json!({"name": "x", "ownerReferences": [{"apiVersion": "a/b/c", "kind": "A", "name": "n", "uid": "u"}]}),
        json!({"name": "x", "generation": 7, "creationTimestamp": null}),
    ];
    let experiments = metadata.map(|metadata| {
        let mut origin = metadata.to_string();
        origin.truncate(200);
        (origin, experiment(metadata))
    });
    compare(experiments, DIFFERENT_METADATA).await;
}

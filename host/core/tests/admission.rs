//! The API server's verdict on an Experiment, offline: a line for each rule of the schema.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

use std::sync::LazyLock;

use serde_json::{Value, json};
use testbench_core::admission::Schema;
use testbench_core::yaml;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::experiment().unwrap());

const SCENARIOS: &str = "scenarios: [{name: a, steps: [{input: Hello}]}]";

/// An Experiment with this `spec`, in YAML flow or block style, indented by two.
fn experiment(spec: &str) -> Value {
    let text = format!(
        "apiVersion: testbench.agentic-layer.ai/v1alpha1\nkind: Experiment\nmetadata: {{name: x, namespace: ns}}\nspec:\n{spec}\n"
    );
    yaml::parse(&text).unwrap().remove(0).value
}

fn with_agent(rest: &str) -> String {
    format!("  agentRef: {{name: bot}}\n  {rest}")
}

/// `steps` of one scenario.
fn with_step(step: &str) -> String {
    with_agent(&format!("scenarios: [{{name: a, steps: [{step}]}}]"))
}

#[test]
fn what_the_api_allows_is_accepted() {
    for spec in [
        with_agent(SCENARIOS),
        // A null is a field that is not there, except in a free-form object.
        with_agent(&format!("{SCENARIOS}\n  dataset: null\n  trigger: null")),
        with_step("{input: x, reference: null, customValues: null}"),
        with_agent("dataset: {url: 'https://example.com/x.json'}"),
        with_agent("dataset: {url: 'http://example.com'}"),
        with_agent("dataset: {s3: {bucket: b, key: k}}"),
        with_agent(
            "dataset: {inline: {scenarios: [{name: a, steps: [{input: Hello}]}], defaultThreshold: 1}}",
        ),
        with_agent(&format!(
            "{SCENARIOS}\n  defaultThreshold: 0\n  suspend: true\n  llmAsAJudgeModel: m"
        )),
        with_agent(&format!(
            "{SCENARIOS}\n  env: [{{name: A}}, {{name: 'B C', value: ''}}]"
        )),
        with_agent(&format!(
            "{SCENARIOS}\n  trigger: {{enabled: true, event: deployment-image-update, concurrencyPolicy: Forbid}}"
        )),
        with_agent(&format!(
            "{SCENARIOS}\n  phases: [{{name: run, settings: {{any: [thing]}}}}]"
        )),
        with_agent(&format!(
            "{SCENARIOS}\n  aiGatewayRef: {{name: g, kind: AiGateway, uid: u, apiVersion: v, fieldPath: f, resourceVersion: '1'}}"
        )),
        with_step(
            "{input: '', customValues: {a: {b: null}}, metrics: [{metricName: m, threshold: 0, parameters: {}}]}",
        ),
        with_step(
            "{input: x, reference: {toolCalls: [{name: t}, {name: t, args: {a: 1}}], topics: [], retrievedContexts: [c]}}",
        ),
    ] {
        SCHEMA
            .admit(experiment(&spec))
            .unwrap_or_else(|refusals| panic!("{spec}: {refusals:?}"));
    }
}

/// (the spec, the first path, what the message holds)
#[test]
fn what_the_api_forbids_is_refused_at_the_path_that_is_wrong() {
    let many = |count: usize, entry: &dyn Fn(usize) -> String| {
        (0..count).map(entry).collect::<Vec<_>>().join(", ")
    };
    let too_many = many(1001, &|i| format!("{{name: s{i}, steps: [{{input: x}}]}}"));
    let table = [
        (with_agent(""), "spec", "set exactly one of scenarios"),
        (
            with_agent(&format!("{SCENARIOS}\n  dataset: {{url: 'http://x'}}")),
            "spec",
            "set exactly one of scenarios",
        ),
        (
            with_agent("dataset: {}"),
            "spec.dataset",
            "set exactly one of url, s3 and inline",
        ),
        (
            with_agent("dataset: {url: 'http://x', s3: {bucket: b, key: k}}"),
            "spec.dataset",
            "set exactly one of url",
        ),
        (
            with_agent("dataset: {url: ''}"),
            "spec.dataset.url",
            "starts with http:// or https://",
        ),
        (
            with_agent("dataset: {url: 'ftp://x'}"),
            "spec.dataset.url",
            "starts with http:// or https://",
        ),
        (
            with_agent("dataset: {url: 'https://'}"),
            "spec.dataset.url",
            "names a host",
        ),
        (
            with_agent("dataset: {s3: {bucket: b}}"),
            "spec.dataset.s3.key",
            "is required",
        ),
        (
            with_agent("dataset: {s3: {bucket: '', key: k}}"),
            "spec.dataset.s3.bucket",
            "must not be empty",
        ),
        (
            with_agent("dataset: {inline: {scenarios: []}}"),
            "spec.dataset.inline.scenarios",
            "at least 1 entry",
        ),
        (
            with_agent("scenarios: []"),
            "spec.scenarios",
            "at least 1 entry",
        ),
        (
            with_agent("scenarios: null"),
            "spec",
            "set exactly one of scenarios",
        ),
        (
            with_agent("scenarios: [null]"),
            "spec.scenarios[0]",
            "expected object, found null",
        ),
        (
            with_agent("scenarios: [{name: null, steps: [{input: x}]}]"),
            "spec.scenarios[0].name",
            "is required",
        ),
        (
            with_agent("scenarios: [{name: a, steps: []}]"),
            "spec.scenarios[0].steps",
            "at least 1 entry",
        ),
        (
            with_agent("scenarios: [{name: '', steps: [{input: x}]}]"),
            "spec.scenarios[0].name",
            "must not be empty",
        ),
        (
            with_agent(
                "scenarios: [{name: a, steps: [{input: x}]}, {name: b, steps: [{input: x}]}, {name: a, steps: [{input: x}]}]",
            ),
            "spec.scenarios[2]",
            "Duplicate value: {\"name\":\"a\"}",
        ),
        (
            with_agent(&format!("scenarios: [{too_many}]")),
            "spec.scenarios",
            "at most 1000 entries, found 1001",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  defaultThreshold: 1.1")),
            "spec.defaultThreshold",
            "at most 1, found 1.1",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  defaultThreshold: -1")),
            "spec.defaultThreshold",
            "at least 0, found -1",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  env: [{{value: x}}]")),
            "spec.env[0].name",
            "is required",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  env: [{{name: 'A=B'}}]")),
            "spec.env[0].name",
            "expected text that matches",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  env: [{{name: A, value: 1}}]")),
            "spec.env[0].value",
            "expected string, found 1",
        ),
        (
            with_agent(&format!(
                "{SCENARIOS}\n  trigger: {{concurrencyPolicy: allow}}"
            )),
            "spec.trigger.concurrencyPolicy",
            "one of Allow, Forbid, Replace",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  trigger: {{event: changed}}")),
            "spec.trigger.event",
            "expected one of created, modified",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  schedule: {{}}")),
            "spec.schedule.cron",
            "is required",
        ),
        (
            with_agent(&format!(
                "{SCENARIOS}\n  phases: [{{name: run}}, {{name: run}}]"
            )),
            "spec.phases[1]",
            "Duplicate value",
        ),
        (
            with_agent(&format!(
                "{SCENARIOS}\n  phases: [{{name: run, settings: [x]}}]"
            )),
            "spec.phases[0].settings",
            "expected object",
        ),
        (
            with_agent(&format!("{SCENARIOS}\n  aiGatewayRef: {{}}")),
            "spec.aiGatewayRef.name",
            "is required",
        ),
        (
            format!("  agentRef: {{name: ''}}\n  {SCENARIOS}"),
            "spec.agentRef.name",
            "must not be empty",
        ),
        (format!("  {SCENARIOS}"), "spec.agentRef", "is required"),
        (
            "  agentRef: bot".to_owned(),
            "spec.agentRef",
            "expected object, found \"bot\"",
        ),
        (
            with_step("{}"),
            "spec.scenarios[0].steps[0].input",
            "is required",
        ),
        (
            with_step("{input: x, customValues: [1]}"),
            "spec.scenarios[0].steps[0].customValues",
            "expected object",
        ),
        (
            with_step("{input: x, metrics: [{threshold: 1}]}"),
            "spec.scenarios[0].steps[0].metrics[0].metricName",
            "is required",
        ),
        (
            with_step("{input: x, metrics: [{metricName: m, threshold: 2}]}"),
            "spec.scenarios[0].steps[0].metrics[0].threshold",
            "at most 1",
        ),
        (
            with_step("{input: x, metrics: [{metricName: m, parameters: x}]}"),
            "spec.scenarios[0].steps[0].metrics[0].parameters",
            "expected object",
        ),
        (
            with_step("{input: x, reference: {toolCalls: [{name: t, args: 1}]}}"),
            "spec.scenarios[0].steps[0].reference.toolCalls[0].args",
            "expected object",
        ),
        (
            with_step("{inputs: x}"),
            "spec.scenarios[0].steps[0].inputs",
            "did you mean `input`?",
        ),
        // Unknown fields come before everything else, the structure before rules.
        (
            with_agent("dataset: {urls: x}\n  defaultThreshold: 2"),
            "spec.dataset.urls",
            "did you mean `url`?",
        ),
        (
            with_agent("dataset: {}\n  defaultThreshold: 2"),
            "spec.defaultThreshold",
            "at most 1",
        ),
    ];
    for (spec, path, message) in table {
        let refusals = SCHEMA
            .admit(experiment(&spec))
            .err()
            .unwrap_or_else(|| panic!("accepted: {spec}"));
        assert_eq!(refusals[0].path, path, "{spec}: {refusals:?}");
        assert!(
            refusals[0].message.contains(message),
            "{spec}: {refusals:?}"
        );
    }
}

#[test]
fn metadata_is_judged_as_the_api_server_judges_it() {
    let with = |metadata: Value| {
        let mut object = experiment(&with_agent(SCENARIOS));
        object["metadata"] = metadata;
        SCHEMA.admit(object)
    };
    let longest = format!("{}.{}", "a".repeat(200), "b".repeat(52));
    assert!(with(json!({"name": longest, "labels": {"a": "b"}, "resourceVersion": "1"})).is_ok());
    for (metadata, path) in [
        (json!({}), "metadata.name"),
        (json!({"name": ""}), "metadata.name"),
        (json!({"name": "Upper"}), "metadata.name"),
        (json!({"name": "a..b"}), "metadata.name"),
        (json!({"name": format!("{longest}c")}), "metadata.name"),
        (
            json!({"name": "x", "namespace": "a.b"}),
            "metadata.namespace",
        ),
        (
            json!({"name": "x", "labels": {"a": 1}}),
            "metadata.labels.a",
        ),
        (
            json!({"name": "x", "annotations": []}),
            "metadata.annotations",
        ),
        (
            json!({"name": "x", "labels": {"a b": ""}}),
            "metadata.labels",
        ),
        (
            json!({"name": "x", "labels": {"A.b/c": ""}}),
            "metadata.labels",
        ),
        (
            json!({"name": "x", "labels": {"/c": ""}}),
            "metadata.labels",
        ),
        (
            json!({"name": "x", "labels": {"a/": ""}}),
            "metadata.labels",
        ),
        (
            json!({"name": "x", "labels": {"a": "b c"}}),
            "metadata.labels",
        ),
        (
            json!({"name": "x", "labels": {"a": "b".repeat(64)}}),
            "metadata.labels",
        ),
        (
            json!({"name": "x", "labels": {"a".repeat(64): ""}}),
            "metadata.labels",
        ),
        (
            json!({"name": "x", "annotations": {"a b": ""}}),
            "metadata.annotations",
        ),
        (
            json!({"name": "x", "annotations": {"a": "b".repeat(256 * 1024)}}),
            "metadata.annotations",
        ),
        (
            json!({"name": "x", "generateName": "x_"}),
            "metadata.generateName",
        ),
        (
            json!({"name": "x", "finalizers": [null]}),
            "metadata.finalizers",
        ),
        (
            json!({"name": "x", "finalizers": ["a", 1]}),
            "metadata.finalizers",
        ),
        (
            json!({"name": "x", "ownerReferences": {}}),
            "metadata.ownerReferences",
        ),
        (
            json!({"name": "x", "ownerReferences": [null]}),
            "metadata.ownerReferences[0].apiVersion",
        ),
        (
            json!({"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "n", "uid": ""}]}),
            "metadata.ownerReferences[0].uid",
        ),
        (
            json!({"name": "x", "ownerReferences": [{"of": 1}]}),
            "metadata.ownerReferences[0].of",
        ),
        (json!({"name": "x", "label": {}}), "metadata.label"),
        // What cannot be read comes first.
        (json!({"name": 1, "label": {}}), "metadata.name"),
    ] {
        assert_eq!(
            with(metadata.clone()).unwrap_err()[0].path,
            path,
            "{metadata}"
        );
    }
}

#[test]
fn nulls_in_metadata_are_fields_that_are_not_there_and_empty_labels() {
    let mut object = experiment(&with_agent(SCENARIOS));
    object["metadata"] = json!({
        "name": "x", "namespace": null, "finalizers": null, "ownerReferences": null,
        "labels": {"a": null, "example.com/B_c": "D.e"}, "annotations": {"EXAMPLE.com/x": null},
    });
    assert_eq!(
        SCHEMA.admit(object).unwrap()["metadata"],
        json!({
            "name": "x",
            "labels": {"a": "", "example.com/B_c": "D.e"}, "annotations": {"EXAMPLE.com/x": ""},
        })
    );
}

#[test]
fn a_missing_spec_and_what_is_no_object_are_refused() {
    let head = json!({"apiVersion": "testbench.agentic-layer.ai/v1alpha1", "kind": "Experiment", "metadata": {"name": "x"}});
    assert_eq!(SCHEMA.admit(head.clone()).unwrap_err()[0].path, "spec");
    for spec in [Value::Null, json!([]), json!("x")] {
        let mut object = head.clone();
        object["spec"] = spec;
        assert_eq!(SCHEMA.admit(object).unwrap_err()[0].path, "spec");
    }
}

#[test]
fn defaults_are_filled_in() {
    let spec = with_agent(&format!(
        "{SCENARIOS}\n  env: [{{name: A, valueFrom: {{secretKeyRef: {{key: k}}}}}}]"
    ));
    let admitted = SCHEMA.admit(experiment(&spec)).unwrap();
    assert_eq!(
        admitted["spec"]["env"][0]["valueFrom"]["secretKeyRef"],
        json!({"key": "k", "name": ""})
    );
}

/// The size that the API is made for: two hundred scenarios of five steps with twenty metrics.
#[test]
fn a_large_experiment_is_accepted() {
    let metrics = json!(
        (0..20)
            .map(|i| json!({"metricName": format!("m{i}")}))
            .collect::<Vec<_>>()
    );
    let steps = json!(
        (0..5)
            .map(|_| json!({"input": "x", "metrics": metrics}))
            .collect::<Vec<_>>()
    );
    let mut object = experiment(&with_agent(SCENARIOS));
    object["spec"]["scenarios"] = (0..200)
        .map(|i| json!({"name": format!("s{i}"), "steps": steps}))
        .collect();
    assert!(SCHEMA.admit(object).is_ok());
}

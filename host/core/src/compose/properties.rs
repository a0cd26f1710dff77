//! What no contribution reaches, whatever a plugin says.
//!
//! What is allowed is written down here a second time, as one reads it in a document, and independent of the policy's own table.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use testbench_engine::{Gvk, literal};

use super::*;
use crate::experiment::Experiment;
use crate::properties::{config, json, percent, text};
use crate::render::{Manifests, Source};
use crate::resolve::resolve;
use crate::validate::validate;

/// What a plugin would say to reach further than it may, and what it may say in another place.
const KEYS: &[&str] = &[
    "name",
    "namespace",
    "generateName",
    "uid",
    "ownerReferences",
    "finalizers",
    "managedFields",
    "labels",
    "annotations",
    "app.kubernetes.io/name",
    "app.kubernetes.io/managed-by",
    "testbench.agentic-layer.ai/experiment",
    "testbench.agentic-layer.ai/placeholder",
    "plugin.testbench.agentic-layer.ai/x",
    "apiVersion",
    "kind",
    "status",
    "metadata",
    "spec",
    "data",
    "stringData",
    "immutable",
    "use",
    "pod",
    "job",
    "setup",
    "after",
    "services",
    "pvcs",
    "system",
    "execution",
    "execute",
    "parallel",
    "steps",
    "run",
    "template",
    "container",
    "content",
    "events",
    "config",
    "env",
    "envFrom",
    "valueFrom",
    "contentFrom",
    "secretKeyRef",
    "secretRef",
    "configMapKeyRef",
    "fieldRef",
    "git",
    "tarball",
    "files",
    "volumes",
    "volumeMounts",
    "serviceAccountName",
    "securityContext",
    "testSelector",
    "resourceSelector",
    "selector",
    "probeSpec",
    "actionParameters",
    "key",
    "steps[]",
    "container.env",
    "[]",
    "*",
    "**",
    "",
];

static VALIDATED: LazyLock<Validated> = LazyLock::new(|| {
    let text = r#"
apiVersion: testbench.agentic-layer.ai/v1alpha1
kind: Experiment
metadata: {name: weather, namespace: demo}
spec:
  agentRef: {name: bot, namespace: agents}
  scenarios: [{name: a, steps: [{input: Hello}]}]
  env:
    - {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}
    - {name: BRACES, value: '{{ x }}'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: otel-config, namespace: demo}
data: {OTEL_EXPORTER_OTLP_ENDPOINT: http://collector}
"#;
    let source = Source {
        name: "-".to_owned(),
        text: text.to_owned(),
    };
    let mut manifests = Manifests::read(&[source]).unwrap();
    let manifest = manifests.experiments.remove(0).manifest;
    let experiment = Experiment::from_manifest(manifest).unwrap();
    validate(resolve(experiment, &manifests.references, "system")).unwrap()
});

/// What one phase's plugin is and says.
#[derive(Debug, Clone)]
struct Spoken {
    phase: &'static str,
    identity: PluginIdentity,
    grants: Grants,
    contribution: Contribution,
}

fn users_env() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        json!({"name": "BRACES", "value": literal("{{ x }}")}),
    ])
}

fn source() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"configMapKeyRef": {"name": "weather-experiment", "key": "k"}}),
        json!({"configMapKeyRef": {"name": "weather-trigger", "key": "k"}}),
        json!({"configMapKeyRef": {"name": "otel-config", "key": "OTEL_EXPORTER_OTLP_ENDPOINT"}}),
    ])
}

/// Out of a small alphabet of names, so that phases meet; each name has one value, so that they mostly agree.
fn env() -> impl Strategy<Value = Value> {
    let entry = prop_oneof![
        3 => select(vec!["A", "B"]).prop_map(|name| json!({"name": name, "value": "v"})),
        2 => users_env(),
        1 => source().prop_map(|source| json!({"name": source.to_string(), "valueFrom": source})),
    ];
    vec(entry, 0..3).prop_map(Value::from)
}

fn step() -> impl Strategy<Value = Value> {
    let run = env().prop_map(|env| json!({"run": {"image": "i", "args": ["a"], "env": env}}));
    let shell =
        env().prop_map(|env| json!({"shell": "ls", "container": {"image": "i", "env": env}}));
    prop_oneof![
        text().prop_map(|value| json!({"template": {"name": "t", "config": {"a": value}}})),
        run,
        shell,
        Just(
            json!({"name": "n", "condition": "always", "retry": {"count": 2}, "artifacts": {"paths": ["a"]}})
        ),
    ]
}

fn files() -> impl Strategy<Value = Value> {
    let file = prop_oneof![
        Just(json!({"path": "/a", "content": "x"})),
        source().prop_map(|source| json!({"path": source.to_string(), "contentFrom": source})),
    ];
    vec(file, 0..2).prop_map(|files| json!({"files": files}))
}

fn fields(
    of: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> impl Strategy<Value = Map<String, Value>> {
    let field = |(key, value): (&'static str, BoxedStrategy<Value>)| {
        option::of(value).prop_map(move |value| Some((key.to_owned(), value?)))
    };
    let fields: Vec<_> = of.into_iter().map(field).collect();
    fields.prop_map(|fields| fields.into_iter().flatten().collect())
}

fn workflow() -> impl Strategy<Value = Map<String, Value>> {
    fields(vec![
        ("steps", vec(step(), 0..3).prop_map(Value::from).boxed()),
        (
            "container",
            env().prop_map(|env| json!({"env": env})).boxed(),
        ),
        ("content", files().boxed()),
        (
            "events",
            Just(json!([{"cronjob": {"cron": "@daily"}}])).boxed(),
        ),
        ("concurrency", Just(json!({"max": 1})).boxed()),
        ("config", Just(json!({"a": {"type": "string"}})).boxed()),
        (
            "pod",
            prop_oneof![9 => Just(json!({"labels": {}})), 1 => Just(json!({"labels": {"a": "b"}}))]
                .boxed(),
        ),
    ])
    .prop_flat_map(|fields| {
        // Only a phase with a grant may say this, so it has to be rare.
        let without = fields.iter().filter(|(key, _)| *key != "pod");
        let without: Map<_, _> = without
            .map(|(key, field)| (key.clone(), field.clone()))
            .collect();
        prop_oneof![15 => Just(without), 1 => Just(fields)]
    })
}

fn trigger() -> Value {
    json!({
        "action": "run", "execution": "testworkflow", "resource": "deployment", "event": "modified", "disabled": false,
        "testSelector": {"name": "weather-workflow", "namespace": "demo"},
        "resourceSelector": {"name": "bot", "namespace": "agents"},
    })
}

fn metadata() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"labels": {"plugin.testbench.agentic-layer.ai/team": "red"}}),
        json!({"annotations": {"testbench.agentic-layer.ai/placeholder": "true"}}),
    ])
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let kinds = prop_oneof![
        12 => Just(("v1", "ConfigMap")),
        6 => Just(("tests.testkube.io/v1", "TestTrigger")),
        1 => select(vec![
            ("v1", "Secret"), ("v1", "Pod"), ("v1", "ServiceAccount"), ("apps/v1", "Deployment"), ("v2", "ConfigMap"),
            ("testworkflows.testkube.io/v1", "TestWorkflow"), ("testbench.agentic-layer.ai/v1alpha1", "Experiment"), ("", ""),
        ]),
    ];
    let keys = prop_oneof![20 => select(vec!["experiment", "trigger", "workflow", "a", "b", "c"]), 1 => Just("A-b")];
    (kinds, keys, metadata(), text()).prop_map(|((api_version, kind), key, metadata, data)| {
        let mut body = Map::from_iter([("metadata".to_owned(), metadata)]);
        match kind {
            "TestTrigger" => body.insert("spec".to_owned(), trigger()),
            _ => body.insert("data".to_owned(), json!({"k": data})),
        };
        Manifest {
            key: key.to_owned(),
            kind: Gvk {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
            },
            body,
        }
    })
}

/// Something put where it may not belong.
#[derive(Debug, Clone)]
struct Intrusion {
    place: Index,
    /// Where documents have most of what matters: at the root and right below.
    shallow: bool,
    key: &'static str,
    value: Value,
}

fn intrusions() -> impl Strategy<Value = Vec<Intrusion>> {
    let likely = select(vec![
        ("name", json!("forged")),
        ("namespace", json!("kube-system")),
        ("ownerReferences", json!([{"name": "other"}])),
        ("finalizers", json!(["a/b"])),
        ("labels", json!({"app.kubernetes.io/managed-by": "me"})),
        ("app.kubernetes.io/managed-by", json!("me")),
        ("testbench.agentic-layer.ai/experiment", json!("other")),
        ("status", json!({})),
        ("immutable", json!(true)),
        ("use", json!([{"name": "other"}])),
        ("execute", json!({"workflows": [{"name": "other"}]})),
        ("steps", json!([{"shell": "ls"}])),
        ("steps", json!({"[]": {"name": "x"}})),
        ("steps[]", json!({"name": "x"})),
        ("env", json!({"[]": {"name": "x"}})),
        ("container.env", json!([{"name": "x"}])),
        ("envFrom", json!([{"secretRef": {"name": "s"}}])),
        (
            "valueFrom",
            json!({"secretKeyRef": {"name": "s", "key": "k"}}),
        ),
        (
            "valueFrom",
            json!({"configMapKeyRef": {"name": "foreign", "key": "k"}}),
        ),
        (
            "contentFrom",
            json!({"secretKeyRef": {"name": "s", "key": "k"}}),
        ),
        ("secretKeyRef", json!({"name": "s", "key": "k"})),
        ("securityContext", json!({"privileged": true})),
        ("container", json!("x")),
        (
            "container",
            json!({"envFrom": [{"secretRef": {"name": "s"}}]}),
        ),
        ("template", json!("x")),
        ("run", json!(true)),
        ("pod", json!({"serviceAccountName": "admin"})),
        (
            "testSelector",
            json!({"name": "other", "namespace": "demo"}),
        ),
        ("selector", json!({"matchLabels": {}})),
        ("pvcs", json!({})),
        ("setup", json!([])),
    ]);
    let unlikely = (select(KEYS), json(select(KEYS).prop_map(str::to_owned)));
    let intrusion = (
        any::<Index>(),
        any::<bool>(),
        prop_oneof![3 => likely, 1 => unlikely],
    )
        .prop_map(|(place, shallow, (key, value))| Intrusion {
            place,
            shallow,
            key,
            value,
        });
    prop_oneof![1 => Just(Vec::new()), 1 => vec(intrusion, 1..3)]
}

fn intrude(document: &mut Map<String, Value>, intrusions: &[Intrusion]) {
    let mut whole = Value::Object(std::mem::take(document));
    for Intrusion {
        place,
        shallow,
        key,
        value,
    } in intrusions
    {
        let mut places = Vec::new();
        objects_in(&whole, String::new(), &mut places);
        if *shallow {
            places.retain(|place| place.matches('/').count() < 2);
        }
        if let Some(Value::Object(fields)) = whole.pointer_mut(&places[place.index(places.len())]) {
            fields.insert((*key).to_owned(), value.clone());
        }
    }
    if let Value::Object(fields) = whole {
        *document = fields;
    }
}

fn objects_in(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                objects_in(field, format!("{pointer}/{key}"), found);
            }
            found.push(pointer);
        }
        Value::Array(entries) => {
            for (i, entry) in entries.iter().enumerate() {
                objects_in(entry, format!("{pointer}/{i}"), found);
            }
        }
        _ => {}
    }
}

fn spoken() -> impl Strategy<Value = Spoken> {
    let custom = PluginIdentity::Custom {
        namespace: "team".to_owned(),
        name: "gate".to_owned(),
    };
    let granted = Grants {
        workflow_paths: vec!["pod.labels.*".to_owned()],
        kinds: Vec::new(),
    };
    let who = select(vec![
        ("run", PluginIdentity::Bundled, Grants::default()),
        ("publish", PluginIdentity::Bundled, granted),
        ("gate", custom, Grants::default()),
    ]);
    (
        who,
        option::of(workflow()),
        vec(manifest(), 0..3),
        intrusions(),
        intrusions(),
    )
        .prop_map(
            |((phase, identity, grants), mut workflow, mut objects, in_workflow, in_objects)| {
                if let Some(workflow) = &mut workflow {
                    intrude(workflow, &in_workflow);
                }
                if let Some(manifest) = objects.first_mut() {
                    intrude(&mut manifest.body, &in_objects);
                }
                // The engine lets no key through twice.
                let mut keys = BTreeSet::new();
                objects.retain(|manifest| keys.insert(manifest.key.clone()));
                let contribution = Contribution {
                    workflow,
                    objects,
                    diagnostics: Vec::new(),
                };
                Spoken {
                    phase,
                    identity,
                    grants,
                    contribution,
                }
            },
        )
}

fn placement(owned: bool) -> Placement {
    Placement {
        namespace: "demo".to_owned(),
        name_prefix: "weather".to_owned(),
        owner: owned.then(|| Owner {
            name: "weather".to_owned(),
            uid: "u-1".to_owned(),
        }),
    }
}

fn composed(spoken: &[Spoken], owned: bool) -> Result<Vec<DesiredObject>, Vec<ComposeError>> {
    let pieces = spoken.iter().map(|spoken| Piece {
        is_placed: true,
        phase: spoken.phase,
        identity: &spoken.identity,
        grants: &spoken.grants,
        contribution: &spoken.contribution,
    });
    compose(&VALIDATED, pieces, &placement(owned))
}

fn chain() -> impl Strategy<Value = Vec<Spoken>> {
    vec(spoken(), 1..4).prop_map(|mut chain| {
        let mut phases = BTreeSet::new();
        chain.retain(|spoken| phases.insert(spoken.phase));
        chain
    })
}

/// Each leaf and each empty list or object, with the keys to it: `.key` of an object, `#` of a list. What the user wrote is not
/// looked into.
fn leaves<'a>(value: &'a Value, path: Vec<String>, found: &mut Vec<(Vec<String>, &'a Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, field) in fields {
                leaves(field, [&path[..], &[format!(".{key}")]].concat(), found);
            }
        }
        Value::Array(entries) if !entries.is_empty() => {
            let is_env = path.last().is_some_and(|key| key == ".env");
            for entry in entries.iter().filter(|entry| !(is_env && is_users(entry))) {
                leaves(entry, [&path[..], &["#".to_owned()]].concat(), found);
            }
        }
        _ => found.push((path, value)),
    }
}

fn is_users(entry: &Value) -> bool {
    *entry == json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})
        || *entry == json!({"name": "BRACES", "value": "{{ x }}"})
        || *entry == json!({"name": "BRACES", "value": literal("{{ x }}")})
}

fn may_be_said(path: &[&str]) -> bool {
    match path {
        [".concurrency" | ".config", ..] | [".pod", ".labels", _] => true,
        [".events", "#", ".cronjob", cronjob @ ..] => {
            matches!(cronjob, [".cron" | ".timezone"] | [".config", _])
        }
        [".container", ".env", "#", env @ ..] => is_env(env),
        [".content", ".files", "#", file @ ..] => matches!(
            file,
            [".path" | ".content" | ".mode"] | [".contentFrom", ".configMapKeyRef", _]
        ),
        // Several steps of a phase are the children of one.
        [".steps", "#", ".steps", "#", step @ ..] | [".steps", "#", step @ ..] => match step {
            [".name" | ".condition" | ".optional" | ".shell" | ".timeout"]
            | [".template", ".name"]
            | [".template", ".config", _]
            | [".artifacts" | ".retry", ..]
            | [".container" | ".run", ".image"]
            | [".container" | ".run", ".resources", ..]
            | [".run", ".shell" | ".workingDir"]
            | [".run", ".args" | ".command", "#"] => true,
            [".container" | ".run", ".env", "#", env @ ..] => is_env(env),
            _ => false,
        },
        _ => false,
    }
}

fn is_env(path: &[&str]) -> bool {
    matches!(
        path,
        [".name" | ".value"] | [".valueFrom", ".configMapKeyRef", _]
    )
}

/// An empty object or list at `path` may stand where something below it may: below it, some of these may.
fn may_be_empty(path: &[&str]) -> bool {
    const BELOW: &[&[&str]] = &[
        &[".k"],
        &["#"],
        &["#", ".name"],
        &["#", ".path"],
        &["#", ".cronjob", ".cron"],
        &[".cron"],
        &[".cronjob", ".cron"],
        &[".name"],
        &[".image"],
        &[".configMapKeyRef", ".k"],
        &[".env", "#", ".name"],
        &[".files", "#", ".path"],
        &[".labels", ".k"],
        &[".path"],
    ];
    BELOW
        .iter()
        .any(|below| may_be_said(&[path, below].concat()))
}

/// Every source is this Experiment's own. What these keys hold is free, and no source to Testkube.
fn check_references(workflow: &Value, own: &BTreeSet<&str>) -> Result<(), TestCaseError> {
    const FREE: &[&str] = &["artifacts", "concurrency", "config", "resources", "retry"];
    let mut open = vec![workflow];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                for source in ["valueFrom", "contentFrom"]
                    .iter()
                    .filter_map(|key| fields.get(*key))
                {
                    let reference = &source["configMapKeyRef"];
                    let name = reference["name"].as_str().unwrap_or_default();
                    let otel =
                        name == "otel-config" && reference["key"] == "OTEL_EXPORTER_OTLP_ENDPOINT";
                    prop_assert!(otel || own.contains(name), "{source} is read");
                }
                let read = fields
                    .iter()
                    .filter(|(key, _)| !FREE.contains(&key.as_str()));
                open.extend(read.map(|(_, field)| field));
            }
            Value::Array(entries) => open.extend(entries.iter().filter(|entry| !is_users(entry))),
            _ => {}
        }
    }
    Ok(())
}

fn check_metadata(object: &DesiredObject, owned: bool) -> Result<(), TestCaseError> {
    let metadata = object.manifest["metadata"].as_object().unwrap();
    prop_assert_eq!(&metadata["namespace"], "demo");
    let owner = json!([{
        "apiVersion": "testbench.agentic-layer.ai/v1alpha1", "kind": "Experiment", "name": "weather", "uid": "u-1",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    prop_assert_eq!(metadata.get("ownerReferences"), owned.then_some(&owner));
    for key in metadata.keys() {
        let known = [
            "name",
            "namespace",
            "labels",
            "annotations",
            "ownerReferences",
        ];
        prop_assert!(known.contains(&key.as_str()), "metadata.{}", key);
    }
    let hosts = json!({
        "app.kubernetes.io/name": "experiment", "app.kubernetes.io/instance": "weather",
        "app.kubernetes.io/component": object.phase, "app.kubernetes.io/part-of": "testbench",
        "app.kubernetes.io/managed-by": "testbench", "testbench.agentic-layer.ai/experiment": "weather",
    });
    for (key, value) in hosts.as_object().unwrap() {
        prop_assert_eq!(&metadata["labels"][key], value);
    }
    // The hash is of what the object holds, whatever a plugin says of it.
    let mut unmarked = object.clone();
    unmarked.manifest["metadata"]["annotations"] = metadata["annotations"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| *key != HASH_ANNOTATION)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect::<Map<_, _>>()
        .into();
    if unmarked.manifest["metadata"]["annotations"] == json!({}) {
        let metadata = unmarked.manifest["metadata"].as_object_mut().unwrap();
        metadata.remove("annotations");
    }
    add_hash(&mut unmarked);
    prop_assert_eq!(&unmarked.manifest, &object.manifest);
    for field in ["labels", "annotations"] {
        for (key, _) in metadata
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let hosts = match field {
                "labels" => hosts.get(key).is_some(),
                _ => key == HASH_ANNOTATION,
            };
            let open = ["placeholder", "description"]
                .map(|key| format!("testbench.agentic-layer.ai/{key}"));
            let plugins =
                key.starts_with("plugin.testbench.agentic-layer.ai/") || open.contains(key);
            prop_assert!(hosts || plugins, "metadata.{}.{}", field, key);
        }
    }
    Ok(())
}

fn check_workflow(spec: &Value, spoken: &[Spoken]) -> Result<(), TestCaseError> {
    let mut found = Vec::new();
    leaves(spec, Vec::new(), &mut found);
    for (path, value) in found.iter().filter(|(path, _)| !path.is_empty()) {
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let empty = value.is_object() || value.is_array();
        prop_assert!(!value.is_null(), "{:?} is null", path);
        prop_assert!(
            may_be_said(&path) || (empty && may_be_empty(&path)),
            "{:?} is set",
            path
        );
    }
    for spoken in spoken {
        let pod = spoken
            .contribution
            .workflow
            .as_ref()
            .and_then(|workflow| workflow.get("pod"));
        prop_assert!(
            pod.is_none() || spoken.phase == "publish",
            "`pod` without a grant"
        );
    }
    Ok(())
}

#[test]
fn enough_of_the_cases_compose_and_enough_do_not() {
    let composing = percent(&chain(), |spoken| composed(spoken, true).is_ok());
    assert!((25..75).contains(&composing), "{composing} %");
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn no_contribution_reaches_what_is_the_hosts(spoken in chain(), owned: bool) {
        let objects = match composed(&spoken, owned) {
            Ok(objects) => objects,
            Err(errors) => {
                for error in errors {
                    let text = error.to_string();
                    let named = spoken.iter().any(|spoken| text.contains(&format!("`{}`", spoken.phase)));
                    prop_assert!(named, "names no phase: {}", text);
                }
                return Ok(());
            }
        };
        let names: Vec<_> = objects.iter().map(|object| (object.kind(), object.name())).collect();
        let mut expected: Vec<_> = spoken
            .iter()
            .flat_map(|spoken| spoken.contribution.objects.iter().map(move |manifest| (&spoken.identity, manifest)))
            .map(|(identity, manifest)| {
                let name = match identity {
                    PluginIdentity::Bundled => format!("weather-{}", manifest.key),
                    PluginIdentity::Custom { .. } => placement(owned).object_name(identity, &manifest.key).unwrap(),
                };
                (manifest.kind.kind.clone(), name)
            })
            .collect();
        expected.push(("TestWorkflow".to_owned(), "weather-workflow".to_owned()));
        let of = |(kind, name): &(&str, &str)| ((*kind).to_owned(), (*name).to_owned());
        let mut found: Vec<_> = names.iter().map(of).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(&found, &expected);
        found.dedup();
        prop_assert_eq!(found.len(), objects.len(), "two objects of one name");

        let config_maps = names.iter().filter(|(kind, _)| *kind == "ConfigMap").map(|(_, name)| *name).collect();
        for object in &objects {
            check_metadata(object, owned)?;
            let manifest = object.manifest.as_object().unwrap();
            let keys = match (manifest["apiVersion"].as_str().unwrap(), object.kind()) {
                ("v1", "ConfigMap") => ["data", "binaryData"],
                ("tests.testkube.io/v1", "TestTrigger") => {
                    for (key, value) in trigger().as_object().unwrap() {
                        prop_assert!(["event", "disabled"].contains(&key.as_str()) || manifest["spec"][key] == *value, "{}", key);
                    }
                    for key in ["selector", "probeSpec", "actionParameters", "name", "use"] {
                        prop_assert!(manifest["spec"].get(key).is_none(), "{}", key);
                    }
                    ["spec", "spec"]
                }
                ("testworkflows.testkube.io/v1", "TestWorkflow") => {
                    check_workflow(&manifest["spec"], &spoken)?;
                    check_references(&manifest["spec"], &config_maps)?;
                    ["spec", "spec"]
                }
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            for key in manifest.keys() {
                let hosts = ["apiVersion", "kind", "metadata"].contains(&key.as_str());
                prop_assert!(hosts || keys.contains(&key.as_str()), "`{}` of {}", key, object.kind());
            }
        }
    }
}

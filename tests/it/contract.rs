//! The schema of the input says what plugins are sent, no more and no less: held against the requests of all cases.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testbench_core::admission::Schema;
use testbench_core::experiment::Experiment;
use testbench_core::invoke;
use testbench_core::pipeline::Host;
use testbench_core::placement::placement;
use testbench_core::render::{Manifests, Source};
use testbench_core::resolve::resolve;
use testbench_core::slots;
use testbench_core::validate::validate;
use testbench_tests::{bundled_host, folder};

const SCHEMA: &str = include_str!("../../docs/input.schema.json");

/// A key that the schema does not name is refused, at every level, except in JSON of the user's own.
fn closed_schema() -> Value {
    let mut schema = serde_json::from_str(SCHEMA).unwrap();
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            keywords.values_mut().for_each(close);
            if keywords.get("properties").is_some_and(Value::is_object)
                && keywords.contains_key("type")
            {
                keywords.insert("additionalProperties".into(), false.into());
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        _ => {}
    }
}

#[tokio::test]
async fn every_request_fits_the_schema_and_uses_all_of_it() {
    let host = bundled_host().await.unwrap();
    let schema = closed_schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let base: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap();
    let base: BTreeSet<_> = base.iter().collect();
    let mut seen = BTreeSet::new();
    let mut sent = 0;
    for file in cases() {
        for (phase, input) in inputs(&host, &file) {
            if let Err(error) = validator.validate(&input) {
                panic!(
                    "{}, phase {phase}: docs/input.schema.json does not fit what is sent: {error} at `{}`",
                    file.display(),
                    error.instance_path()
                );
            }
            // It asks for nothing beside the base.
            if phase == "run" {
                let keys: BTreeSet<_> = input.as_object().unwrap().keys().collect();
                assert_eq!(keys, base, "{}", file.display());
            }
            see(&schema, "#", &schema, &input, &mut seen);
            sent += 1;
        }
    }
    assert!(sent > 100, "only {sent} requests: where are the cases?");

    let mut known = BTreeSet::new();
    properties(&schema, "#", &mut known);
    let unseen: Vec<_> = known.difference(&seen).collect();
    assert!(
        unseen.is_empty(),
        "no case below tests/cases sends what docs/input.schema.json says here: {unseen:#?}"
    );
}

/// What the SDK gives to native tests of a plugin has to be what the host sends.
#[test]
fn the_base_that_the_sdk_tests_with_fits_the_schema() {
    let validator = jsonschema::draft202012::new(&closed_schema()).unwrap();
    let base = testbench_plugin_sdk::testing::base_input();
    assert!(validator.is_valid(&base), "{base}");
}

/// What each plugin would be sent for the Experiments of a case; nothing for those that come to no call.
fn inputs(host: &Host, file: &Path) -> Vec<(String, Value)> {
    let source = Source {
        name: file.display().to_string(),
        text: fs::read_to_string(file).unwrap(),
    };
    let Ok(manifests) = Manifests::read(&[source]) else {
        return Vec::new();
    };
    let schema = Schema::experiment().unwrap();
    let admitted = manifests
        .experiments
        .into_iter()
        .filter_map(|located| schema.admit(located.manifest).ok());
    admitted
        .filter_map(|manifest| {
            let experiment = Experiment::from_manifest(manifest).unwrap();
            let placement = placement(&experiment);
            let resolved = resolve(experiment, &manifests.references, "testbench-system");
            let validated = validate(resolved).ok()?;
            let assignments = slots::assign(&host.catalog, &validated).ok()?.assignments;
            Some(invoke::inputs(&assignments, &validated, &placement))
        })
        .flatten()
        .collect()
}

fn cases() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder("cases")];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("input.yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Pointers to all properties that `schema` names.
fn properties(schema: &Value, at: &str, known: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, below) in keywords {
                let at = format!("{at}/{keyword}");
                if keyword == "properties" {
                    known.extend(
                        below
                            .as_object()
                            .unwrap()
                            .keys()
                            .map(|name| format!("{at}/{name}")),
                    );
                }
                properties(below, &at, known);
            }
        }
        Value::Array(schemas) => {
            for (i, schema) in schemas.iter().enumerate() {
                properties(schema, &format!("{at}/{i}"), known);
            }
        }
        _ => {}
    }
}

/// Pointers to the properties of `schema`, a part of `root`, that `value` has.
fn see(root: &Value, at: &str, schema: &Value, value: &Value, seen: &mut BTreeSet<String>) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let pointed = root.pointer(target.trim_start_matches('#')).unwrap();
        see(root, target, pointed, value, seen);
    }
    for (i, choice) in schema["oneOf"].as_array().into_iter().flatten().enumerate() {
        see(root, &format!("{at}/oneOf/{i}"), choice, value, seen);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            let at = format!("{at}/properties/{name}");
            see(root, &at, property, value, seen);
            seen.insert(at);
        }
    }
    for entry in value.as_array().into_iter().flatten() {
        see(root, &format!("{at}/items"), &schema["items"], entry, seen);
    }
}

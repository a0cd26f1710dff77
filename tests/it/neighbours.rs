//! What the bundled plugins make is what Testkube's CustomResourceDefinitions take, with no unknown field anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testbench_core::admission::Schema;
use testbench_core::yaml;
use testbench_tests::folder;

/// Kinds that are not the neighbours'.
const BUILT_IN: &[&str] = &["ConfigMap"];

#[test]
fn generated_objects_fit_our_excerpts_of_the_neighbours_schemas() {
    check_all(&folder("fixtures/crds"));
}

#[test]
fn generated_objects_fit_the_neighbours_real_schemas() {
    if let Some(crds) = real_schemas() {
        check_all(&crds);
    }
}

/// The folder with the neighbours' own CustomResourceDefinitions, where there is one.
pub(crate) fn real_schemas() -> Option<PathBuf> {
    let crds = std::env::var_os("NEIGHBOUR_CRDS").map(PathBuf::from);
    if crds.is_none() {
        crate::skipped(
            "NEIGHBOUR_CRDS names no folder with the neighbours' CustomResourceDefinitions",
        );
    }
    crds
}

fn check_all(crds: &Path) {
    let schemas = schemas(crds);
    let mut kinds = BTreeMap::<String, usize>::new();
    for (file, object) in expected_objects() {
        let kind = object["kind"].as_str().unwrap();
        if BUILT_IN.contains(&kind) {
            continue;
        }
        let schema = schemas
            .get(kind)
            .unwrap_or_else(|| panic!("{} has no CRD of {kind}", crds.display()));
        schema
            .admit(object.clone())
            .unwrap_or_else(|refusals| panic!("{}: {refusals:#?}", file.display()));
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    assert!(
        kinds.contains_key("TestWorkflow") && kinds.contains_key("TestTrigger"),
        "{kinds:?}"
    );
}

/// A field that the schema does not know is found, in a step and in a step's step.
#[test]
fn the_check_itself_finds_unknown_fields() {
    let schemas = schemas(&folder("fixtures/crds"));
    let workflow = |step: Value| {
        json!({
            "apiVersion": "testworkflows.testkube.io/v1",
            "kind": "TestWorkflow",
            "metadata": {"name": "x"},
            "spec": {"steps": [step]},
        })
    };
    for (step, path) in [
        (json!({"templat": {}}), "spec.steps[0].templat"),
        (
            json!({"steps": [{"templat": {}}]}),
            "spec.steps[0].steps[0].templat",
        ),
    ] {
        let refusals = schemas["TestWorkflow"].admit(workflow(step)).unwrap_err();
        assert_eq!(refusals[0].path, path);
    }
}

/// Everything that cases expect, so that a case is checked once it is written.
fn expected_objects() -> Vec<(PathBuf, Value)> {
    let mut objects = Vec::new();
    let mut folders = vec![folder("cases"), folder("contributions")];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("expected.yaml") {
                let documents = yaml::parse(&fs::read_to_string(&path).unwrap()).unwrap();
                objects.extend(
                    documents
                        .into_iter()
                        .map(|document| (path.clone(), document.value)),
                );
            }
        }
    }
    objects
}

pub(crate) fn schemas(dir: &Path) -> BTreeMap<String, Schema> {
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let crds = files
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .flat_map(|file| yaml::parse(&fs::read_to_string(file).unwrap()).unwrap());
    crds.map(|crd| {
        let kind = crd.value["spec"]["names"]["kind"]
            .as_str()
            .unwrap()
            .to_owned();
        let schema = Schema::of_crd(&with_nested_steps(crd.value)).unwrap();
        (kind, schema)
    })
    .collect()
}

/// Testkube's own schema takes anything below `steps[].steps`: there, a step's own schema counts.
fn with_nested_steps(mut crd: Value) -> Value {
    let step = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/steps/items";
    let Some(step) = crd.pointer_mut(step) else {
        return crd;
    };
    let inner = step.clone();
    step["properties"]["steps"] = json!({"type": "array", "items": inner});
    crd
}

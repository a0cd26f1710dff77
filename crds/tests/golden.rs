//! The committed CustomResourceDefinition is what the types give.

use std::path::Path;

use serde_json::Value;
use testbench_api::{EXPERIMENT_CRD, experiment_crd, experiment_crd_yaml};

#[test]
fn the_committed_crd_is_what_the_types_give() {
    let generated = experiment_crd_yaml().unwrap();
    if std::env::var_os("BLESS").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("experiments.testbench.agentic-layer.ai.yaml");
        std::fs::write(file, &generated).unwrap();
        return;
    }
    if generated != EXPERIMENT_CRD {
        let diff = similar::TextDiff::from_lines(EXPERIMENT_CRD, &generated);
        panic!(
            "crds/experiments.testbench.agentic-layer.ai.yaml is not what the types give; if the change is meant, run\n\
             \n    BLESS=1 cargo test -p testbench-api --test golden\n\n{}",
            diff.unified_diff().header("committed", "from the types")
        );
    }
}

#[test]
fn the_yaml_reads_back_as_the_same_crd() {
    let read: Value = serde_saphyr::from_str(&experiment_crd_yaml().unwrap()).unwrap();
    assert_eq!(read, experiment_crd().unwrap());
}

/// What `kubectl explain` shows, and what the API server needs to take the schema at all.
#[test]
fn every_field_is_described_and_no_field_is_nullable() {
    let crd = experiment_crd().unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut undescribed = Vec::new();
    for part in ["spec", "status"] {
        walk(&schema["properties"][part], part, &mut undescribed);
    }
    assert_eq!(undescribed, Vec::<String>::new());
    assert!(!crd.to_string().contains("nullable"));
    assert_eq!(schema["required"], serde_json::json!(["spec"]));
}

fn walk(schema: &Value, path: &str, undescribed: &mut Vec<String>) {
    if schema["description"].as_str().is_none_or(str::is_empty) {
        undescribed.push(path.to_owned());
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{key}"), undescribed);
    }
    let items = &schema["items"];
    if items["properties"].is_object() {
        walk(items, &format!("{path}[]"), undescribed);
    }
}

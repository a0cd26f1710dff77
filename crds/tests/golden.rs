//! The committed CustomResourceDefinitions are what the types give.

use std::path::Path;

use serde_json::Value;
use testbench_api::{
    EXPERIMENT_CRD, PHASE_PLUGIN_CRD, crds_yaml, experiment_crd, phase_plugin_crd,
};

#[test]
fn the_committed_crds_are_what_the_types_give() {
    let committed = [EXPERIMENT_CRD, PHASE_PLUGIN_CRD];
    for ((file, generated), committed) in crds_yaml().unwrap().into_iter().zip(committed) {
        if std::env::var_os("BLESS").is_some() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            std::fs::write(file, &generated).unwrap();
        } else if generated != committed {
            let diff = similar::TextDiff::from_lines(committed, &generated);
            panic!(
                "crds/{file} is not what the types give; if the change is meant, run\n\
                 \n    BLESS=1 cargo test -p testbench-api --test golden\n\n{}",
                diff.unified_diff().header("committed", "from the types")
            );
        }
    }
}

#[test]
fn the_yaml_reads_back_as_the_same_crd() {
    let types = [experiment_crd().unwrap(), phase_plugin_crd().unwrap()];
    for ((_, yaml), crd) in crds_yaml().unwrap().iter().zip(types) {
        assert_eq!(serde_saphyr::from_str::<Value>(yaml).unwrap(), crd);
    }
}

/// What `kubectl explain` shows, and what the API server needs to take the schema at all.
#[test]
fn every_field_is_described_and_no_field_is_nullable() {
    for crd in [experiment_crd().unwrap(), phase_plugin_crd().unwrap()] {
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut undescribed = Vec::new();
        for part in ["spec", "status"] {
            walk(&schema["properties"][part], part, &mut undescribed);
        }
        assert_eq!(undescribed, Vec::<String>::new());
        assert!(!crd.to_string().contains("nullable"));
        assert_eq!(schema["required"], serde_json::json!(["spec"]));
    }
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

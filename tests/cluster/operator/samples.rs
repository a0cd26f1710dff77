//! What a user tries first: every sample is taken by a real API server, word for word, and becomes ready.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kube::api::ListParams;
use serde_json::Value;
use testbench_core::yaml;
use testbench_operator::kinds::{EXPERIMENT, GENERATED};
use testbench_tests::control_plane::ControlPlane;
use testbench_tests::folder;

use super::super::{binary, shared};
use super::{
    Operated, apply_file, condition, get, install, install_operator, kubectl, wait_for_kinds,
};

/// Where the samples are.
const NAMESPACE: &str = "demo";

#[tokio::test]
async fn every_sample_becomes_ready() {
    install().await;
    expect_all_ready(shared()).await;
}

/// On what a cluster really has, where that is known; our excerpts may be too generous.
#[tokio::test]
async fn every_sample_becomes_ready_on_the_neighbours_real_kinds() {
    let Some(folder) = std::env::var_os("NEIGHBOUR_CRDS") else {
        eprintln!(
            "skipped: NEIGHBOUR_CRDS names no folder with the neighbours' CustomResourceDefinitions"
        );
        return;
    };
    static REAL: LazyLock<ControlPlane> =
        LazyLock::new(|| ControlPlane::start(binary()).unwrap_or_else(|error| panic!("{error}")));
    for file in yaml_files(Path::new(&folder)) {
        apply_file(&REAL, &file);
    }
    // Last, since the neighbours have an Experiment, too.
    install_operator(&REAL);
    wait_for_kinds(&REAL);
    expect_all_ready(&REAL).await;
}

async fn expect_all_ready(cluster: &'static ControlPlane) {
    let namespace = cluster.namespace_called(NAMESPACE).await.unwrap();
    let mut operated = Operated::unattended_in(cluster, namespace).await;
    operated.start_operator().await;
    let files = yaml_files(&folder("../deploy/samples"));
    let templates = yaml_files(&folder("../deploy/templates"));
    for file in templates.iter().chain(&files) {
        let strictly = [
            "apply",
            "--server-side",
            "--validate=strict",
            "--namespace",
            NAMESPACE,
            "--filename",
            file.to_str().unwrap(),
        ];
        kubectl(cluster, &strictly);
    }
    let objects = files.iter().flat_map(|file| documents(file));
    let experiments: Vec<_> = objects
        .filter(|object| object["kind"] == "Experiment")
        .collect();
    assert!(experiments.len() >= files.len(), "each shows an Experiment");
    for experiment in experiments {
        let name = experiment["metadata"]["name"].as_str().unwrap();
        operated.until_ready(name).await;
        let wanted = wanted_kinds(&experiment);
        assert_eq!(existing_kinds(&operated, name).await, wanted, "{name}");
        let stored = get(&operated.api(EXPERIMENT), name).await;
        assert_eq!(recorded_kinds(&stored), wanted, "{name}");
        assert_eq!(
            condition(&stored, "AgentResolved").unwrap()["status"],
            "True",
            "{name}"
        );
    }
}

fn wanted_kinds(experiment: &Value) -> BTreeSet<String> {
    let is_triggered = experiment["spec"]["trigger"]["enabled"] == true;
    let trigger = is_triggered.then_some("TestTrigger");
    let kinds = ["ConfigMap", "TestWorkflow"].into_iter().chain(trigger);
    kinds.map(str::to_owned).collect()
}

async fn existing_kinds(operated: &Operated, experiment: &str) -> BTreeSet<String> {
    let of = format!("testbench.agentic-layer.ai/experiment={experiment}");
    let mut kinds = BTreeSet::new();
    for kind in GENERATED {
        let params = ListParams::default().labels(&of);
        let objects = operated.api(kind).list(&params).await.unwrap().items;
        assert!(objects.len() <= 1, "{experiment}: {objects:?}");
        kinds.extend(objects.iter().map(|_| kind.kind.to_owned()));
    }
    kinds
}

fn recorded_kinds(experiment: &Value) -> BTreeSet<String> {
    let recorded = experiment["status"]["generatedResources"].as_array();
    let kinds = recorded.unwrap().iter().map(|object| &object["kind"]);
    kinds
        .map(|kind| kind.as_str().unwrap().to_owned())
        .collect()
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", folder.display());
    files
}

fn documents(file: &Path) -> Vec<Value> {
    let documents = yaml::parse(&fs::read_to_string(file).unwrap()).unwrap();
    let values = documents.into_iter().map(|document| document.value);
    values.collect()
}

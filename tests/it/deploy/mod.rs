//! What `deploy/` holds: manifests that fit together, and scripts that do what they say.

mod built;
mod install;
mod samples;
mod scripts;
mod templates;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testbench_core::yaml;
use testbench_tests::folder;

fn deploy(path: &str) -> PathBuf {
    folder("../deploy").join(path)
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn documents(file: &Path) -> Vec<Value> {
    let documents = yaml::parse(&read(file)).unwrap();
    documents
        .into_iter()
        .map(|document| document.value)
        .collect()
}

/// The YAML files of a folder, in the order of their names.
fn files(dir: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(deploy(dir)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in deploy/{dir}");
    files
}

fn all(dir: &str) -> Vec<Value> {
    files(dir).iter().flat_map(|file| documents(file)).collect()
}

/// The template `name` of `deploy/templates/`.
fn template(name: &str) -> Value {
    let file = deploy("templates").join(format!("{name}.yaml"));
    documents(&file).swap_remove(0)
}

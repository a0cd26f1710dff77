//! Files that are not ours alone any more: components were built with them. `SHA256SUMS` holds their digests, and
//! `sha256sum --check` reads it at the repository's root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const SUMS: &str = include_str!("SHA256SUMS");
const SUMS_FILE: &str = "host/engine/tests/contract/SHA256SUMS";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Digests by path, from the repository's root.
fn sums() -> BTreeMap<&'static str, &'static str> {
    SUMS.lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(digest, path)| (path, digest))
        .collect()
}

/// The paths, from the repository's root, of all files below one of its folders.
fn files_below(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    entries
        .flat_map(|entry| {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                files_below(&path)
            } else {
                BTreeSet::from([path])
            }
        })
        .collect()
}

#[test]
fn frozen_files_are_as_they_were() {
    for (path, digest) in sums() {
        let found = match fs::read(root().join(path)) {
            Ok(bytes) => testbench_engine::digest(&bytes),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            found,
            format!("sha256:{digest}"),
            "{path} is frozen: components that were built with it are in use, and have to be served as they are. Put it back: \
             `git checkout main -- {path}`. To change the contract, add a version: a folder in wit/, its lines in {SUMS_FILE}, \
             and a module with its adapter in host/engine/src/versions/. docs/contract.md §10 says what may grow without one."
        );
    }
}

/// A file without a digest could be changed unnoticed.
#[test]
fn every_file_of_the_contract_is_frozen() {
    for path in files_below("wit") {
        assert!(
            sums().contains_key(path.as_str()),
            "{path} is not frozen. In the folder of a version that hosts serve, it may only add interfaces. When it is what it has \
             to be for good, run `sha256sum {path} >> {SUMS_FILE}` at the repository's root."
        );
    }
}

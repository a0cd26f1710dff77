//! What is derived from something else is what that gives: every image from `images.env`, `install.yaml` from its parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{deploy, files, read};

const BLESS: &str = "BLESS=1 cargo test -p testbench-tests --test it deploy";
const CRDS: [&str; 2] = [
    "../crds/experiments.testbench.agentic-layer.ai.yaml",
    "../crds/phaseplugins.testbench.agentic-layer.ai.yaml",
];
/// What comes first is what the others need.
const PARTS: &[&str] = &[
    "namespace.yaml",
    "service-account.yaml",
    "cluster-role.yaml",
    "cluster-role-binding.yaml",
    "role.yaml",
    "role-binding.yaml",
    "config.yaml",
    "user-roles.yaml",
    "deployment.yaml",
    "service.yaml",
];

#[test]
fn images_and_install_yaml_are_what_their_sources_give() {
    let images = images();
    let mut wanted: BTreeMap<PathBuf, String> = BTreeMap::new();
    for file in files("templates").into_iter().chain(files("install")) {
        let text = with_images(&read(&file), &images);
        wanted.insert(file, text);
    }
    let install = install(&wanted);
    wanted.insert(deploy("install.yaml"), install);

    let mut differences = String::new();
    for (file, wanted) in wanted {
        let found = fs::read_to_string(&file).unwrap_or_default();
        if found == wanted {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, wanted).unwrap();
            continue;
        }
        let diff = similar::TextDiff::from_lines(&found, &wanted);
        let name = file.display().to_string();
        differences += &diff
            .unified_diff()
            .header(&name, "from its sources")
            .to_string();
    }
    assert!(
        differences.is_empty(),
        "deploy/ is not what its sources give; if the change is meant, run\n\n    {BLESS}\n\n{differences}"
    );
}

#[test]
fn every_part_is_installed() {
    let files = files("install");
    let names = files.iter().map(|file| name(file)).collect::<Vec<_>>();
    let mut parts = PARTS.to_vec();
    parts.sort_unstable();
    assert_eq!(
        names, parts,
        "a file of deploy/install is missing in PARTS, or the other way round"
    );
}

/// The image of the operator is built from this very code.
#[test]
fn the_operators_image_has_our_version() {
    let tag = concat!(":", env!("CARGO_PKG_VERSION"));
    assert!(
        images()
            .iter()
            .any(|image| image.contains("/operator") && image.ends_with(tag))
    );
}

/// The image is built by the compiler that everything is tested with.
#[test]
fn the_image_is_built_by_our_compiler() {
    let toolchain = read(&deploy("../rust-toolchain.toml"));
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .unwrap()
        .trim_matches('"');
    let dockerfile = read(&deploy("Dockerfile"));
    let from = format!("FROM rust:{channel}-bookworm AS build");
    assert!(
        dockerfile.lines().any(|line| line == from),
        "expected: {from}"
    );
}

#[test]
fn an_image_that_nobody_lists_is_refused() {
    let line = "  image: example.com/operator:1";
    let result = std::panic::catch_unwind(|| with_images(line, &images()));
    assert!(result.is_err());
}

/// The values of `images.env`.
fn images() -> Vec<String> {
    let text = read(&deploy("images.env"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap().1.to_owned())
        .collect()
}

/// `text` where every `image:` of a repository that `images` lists has its tag.
fn with_images(text: &str, images: &[String]) -> String {
    let lines = text.lines().map(|line| {
        let Some((before, image)) = line.split_once("image: ") else {
            return line.to_owned() + "\n";
        };
        let repository = |image: &str| image.rsplit_once(':').unwrap().0.to_owned();
        let listed = images
            .iter()
            .find(|listed| repository(listed) == repository(image));
        let listed = listed.unwrap_or_else(|| panic!("{image} is not in deploy/images.env"));
        format!("{before}image: {listed}\n")
    });
    lines.collect()
}

fn install(parts: &BTreeMap<PathBuf, String>) -> String {
    let head = format!(
        "# All that a cluster needs to run the operator. Built from crds/ and deploy/install/; after a change there:\n# {BLESS}\n"
    );
    let crds = CRDS.map(|crd| read(&deploy(crd)));
    let parts = PARTS
        .iter()
        .map(|part| parts[&deploy("install").join(part)].as_str());
    let documents: Vec<_> = crds.iter().map(String::as_str).chain(parts).collect();
    head + &documents.join("---\n")
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

//! The way of a plugin's author, from nothing to a phase in a cluster: docs/plugins.md, word for word.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use testbench_test_programs::Registry;
use testbench_tests::folder;

use super::registries::with_registry;
use super::shared;

/// The blocks of the document that say so, in order.
fn tested() -> String {
    let document = fs::read_to_string(folder("../docs/plugins.md")).unwrap();
    let blocks = document.split("<!-- tested -->\n```sh\n").skip(1);
    let blocks: Vec<_> = blocks
        .map(|block| block.split_once("```").unwrap().0)
        .collect();
    assert!(blocks.len() >= 7, "{} blocks", blocks.len());
    blocks.join("\n")
}

/// What `cargo build --workspace` leaves beside the binaries of this package, whose tests `make test` builds together.
fn testbench() -> PathBuf {
    let file = Path::new(env!("CARGO_BIN_EXE_operator")).with_file_name("testbench");
    assert!(
        file.exists(),
        "{} is not there; build it first: cargo build -p testbench-cli",
        file.display()
    );
    file
}

/// The admin's, with this namespace where a command names none.
fn kubeconfig(folder: &Path, namespace: &str) -> PathBuf {
    let file = folder.join("kubeconfig");
    fs::copy(shared().kubeconfig(), &file).unwrap();
    let set = Command::new(shared().kubectl())
        .args([
            "config",
            "set-context",
            "--current",
            "--namespace",
            namespace,
        ])
        .env("KUBECONFIG", &file)
        .output()
        .unwrap();
    assert!(set.status.success());
    file
}

fn channel() -> String {
    let toolchain = fs::read_to_string(folder("../rust-toolchain.toml")).unwrap();
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "));
    channel.unwrap().trim_matches('"').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_commands_lead_from_nothing_to_a_phase_in_a_cluster() {
    let registry = Registry::start().unwrap();
    let operated = with_registry(&registry).await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("set -euo pipefail\n{}", tested());
    let programs = [testbench(), shared().kubectl().to_owned()];
    let programs = programs.map(|program| program.parent().unwrap().to_owned());
    let path = env::split_paths(&env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let mut command = Command::new("bash");
    command
        .arg("-c")
        .arg(script)
        .current_dir(folder.path())
        .env(
            "PATH",
            env::join_paths(programs.iter().chain(&path)).unwrap(),
        )
        .env("KUBECONFIG", kubeconfig(folder.path(), operated.name()))
        .env("NAMESPACE", operated.name())
        .env("REGISTRY", format!("{}/team", registry.host()))
        .env("TESTBENCH_REGISTRY_PLAIN_HTTP", "true")
        .env("DOCKER_CONFIG", folder.path())
        // What the repository's own build has downloaded is enough, and its own compiler.
        .env("CARGO_NET_OFFLINE", "true")
        .env("RUSTUP_TOOLCHAIN", channel())
        // Dependencies are built once, not for each run of this test.
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("author"),
        );
    for of_cargo in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
    ] {
        command.env_remove(of_cargo);
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("3 cases as expected"), "{said}");
    assert!(
        said.contains("run first evaluate publish visualize"),
        "{said}"
    );
}

//! Case folders: what the bundled plugins make of Experiments, and what the host makes of contributions.

use testbench_core::pipeline::Host;
use testbench_testkit::{Cases, Mode};
use testbench_tests::{bundled_host, echoing_host, folder};

#[tokio::test]
async fn every_case_gives_what_its_folder_says() {
    check("cases", &bundled_host().await.unwrap()).await;
}

/// In these, the settings of `publish` and `visualize` are the contributions of two phases, word for word.
#[tokio::test]
async fn every_contribution_is_merged_or_refused_as_its_folder_says() {
    let host = echoing_host(&["publish", "visualize"]).await.unwrap();
    check("contributions", &host).await;
}

/// PhasePlugins, all of them of the bundled `template`.
#[tokio::test]
async fn every_phase_plugin_is_placed_or_refused_as_its_folder_says() {
    check("plugins", &bundled_host().await.unwrap()).await;
}

/// In these, the settings of a PhasePlugin are its contribution, word for word.
#[tokio::test]
async fn every_contribution_of_a_phase_plugin_is_merged_or_refused_as_its_folder_says() {
    let host = echoing_host(&["template"]).await.unwrap();
    check("plugin-contributions", &host).await;
}

async fn check(name: &str, host: &Host) {
    let cases = Cases::below(&folder(name)).unwrap();
    let mismatches = cases.run(host, Mode::from_env()).await.unwrap();
    for mismatch in &mismatches {
        println!("{}:\n{}", mismatch.folder.display(), mismatch.difference);
    }
    assert!(
        mismatches.is_empty(),
        "{} of {} cases in tests/{name} differ; if that is meant, run\n\n    BLESS=1 cargo test -p testbench-tests cases\n",
        mismatches.len(),
        cases.len()
    );
}

//! The bundled plugins, as built: what they make of Experiments.

use testbench_testkit::{Cases, Mode};
use testbench_tests::{bundled_host, folder};

#[tokio::test]
async fn every_case_gives_what_its_folder_says() {
    let host = bundled_host().await.unwrap();
    let cases = Cases::below(&folder("cases")).unwrap();
    let mismatches = cases.run(&host, Mode::from_env()).await.unwrap();
    for mismatch in &mismatches {
        println!("{}:\n{}", mismatch.folder.display(), mismatch.difference);
    }
    assert!(
        mismatches.is_empty(),
        "{} of {} cases differ; if that is meant, run\n\n    BLESS=1 cargo test -p testbench-tests cases\n",
        mismatches.len(),
        cases.len()
    );
}

//! The same Experiments give the same bytes: on any number of threads, side by side or one after the other, from any order of
//! files.

use std::fs;

use futures::future::join_all;
use testbench_core::pipeline::Host;
use testbench_core::render::{Located, Manifests, Renderer, Source};
use testbench_core::yaml;
use testbench_engine::EngineOptions;
use testbench_tests::{bundled_host_of, folder};

const CASES: &[&str] = &[
    "experiment/every-field",
    "evaluate/own-references",
    "setup/s3",
    "trigger/every-field",
    "objects/two-experiments",
];

#[tokio::test(flavor = "multi_thread")]
async fn threads_and_company_change_nothing() {
    let host = async |guest_threads| {
        let options = EngineOptions {
            guest_threads,
            ..EngineOptions::default()
        };
        bundled_host_of(options).await.unwrap()
    };
    let (alone, many) = (host(1).await, host(4).await);
    for case in CASES {
        let source = source(case);
        let once = rendered(&alone, std::slice::from_ref(&source)).await;
        assert!(once.contains("kind: TestWorkflow"), "{case}: {once}");
        let side_by_side = (0..8).map(|_| rendered(&many, std::slice::from_ref(&source)));
        for again in join_all(side_by_side).await {
            assert_eq!(again, once, "{case}");
        }
    }
    let mut files = documents("experiment/every-field");
    let once = rendered(&alone, &files).await;
    for _ in 1..files.len() {
        files.rotate_left(1);
        assert_eq!(rendered(&many, &files).await, once);
    }
}

fn source(case: &str) -> Source {
    let file = folder("cases").join(case).join("input.yaml");
    Source {
        text: fs::read_to_string(&file).unwrap(),
        name: "input.yaml".to_owned(),
    }
}

/// A file for each document of a case.
fn documents(case: &str) -> Vec<Source> {
    let documents = yaml::parse(&source(case).text).unwrap();
    let file = |document: yaml::Document| Source {
        name: "input.yaml".to_owned(),
        text: document.value.to_string(),
    };
    documents.into_iter().map(file).collect()
}

/// Objects and remarks.
async fn rendered(host: &Host, sources: &[Source]) -> String {
    let Manifests {
        experiments,
        references,
        unused,
        ..
    } = Manifests::read(sources).unwrap();
    let renderer = Renderer::new(host.clone(), references, "testbench-system").unwrap();
    let mut text = unused.join("\n");
    for Located { manifest, .. } in experiments {
        let desired = renderer.render(manifest).await.unwrap();
        let findings = desired.findings.iter().map(ToString::to_string);
        text.push_str(&findings.collect::<Vec<_>>().join("\n"));
        let objects = desired.objects.iter().map(|object| &object.manifest);
        text.push_str(&yaml::documents(objects).unwrap());
    }
    text
}

//! On a real registry, beside a client that is not ours.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testbench_registry::{Artifact, Client, Credentials, Digest, Problem, Reference, Rule, Rules};
use testbench_test_programs::Registry;

/// One a test: it takes no time.
struct Setup {
    registry: Registry,
    client: Client,
}

impl Setup {
    fn new() -> Self {
        Self::up_to(1024 * 1024)
    }

    fn up_to(max_bytes: u64) -> Self {
        let registry = Registry::start().unwrap();
        let rules = Rules {
            registries: vec![Rule {
                host: registry.host(),
                plain_http: true,
                ..Rule::default()
            }],
            max_bytes,
        };
        let client = Client::new(&rules).unwrap();
        Self { registry, client }
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.registry.host()).parse().unwrap()
    }

    async fn push(&self, rest: &str, artifact: Artifact) -> Digest {
        self.client
            .push(&self.reference(rest), &Credentials::anonymous(), artifact)
            .await
            .unwrap()
    }

    async fn pull(&self, reference: &Reference) -> Result<Vec<u8>, Problem> {
        let nobody = Credentials::anonymous();
        let pulled = async {
            let manifest = self.client.resolve(reference, &nobody).await?;
            self.client.fetch(reference, &nobody, &manifest.layer).await
        };
        pulled
            .await
            .map_err(|error: testbench_registry::Error| error.problem)
    }

    fn crane(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.registry.crane())
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "crane {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What crane makes of an OCI layout in a folder.
    fn crane_push(&self, to: &str, wasm: &[u8], media_type: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let manifest = layout(folder.path(), wasm, media_type);
        let reference = self.reference(to).to_string();
        self.crane(&["push", folder.path().to_str().unwrap(), &reference]);
        manifest
    }
}

fn component(content: &str) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", content.as_bytes()].concat()
}

fn artifact(content: &str) -> Artifact {
    Artifact {
        wasm: component(content),
        exports: vec!["testbench:phase/phase@0.1.0".to_owned()],
        annotations: [
            ("org.opencontainers.image.title", content),
            ("b", "2"),
            ("a", "1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        ..Artifact::default()
    }
}

fn layout(folder: &Path, wasm: &[u8], media_type: &str) -> String {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |media_type: &str, content: &[u8]| {
        let digest = Digest::of(content).to_string();
        fs::write(blobs.join(&digest["sha256:".len()..]), content).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    };
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": blob("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [blob(media_type, wasm)],
    });
    let manifest = blob(manifest_type, manifest.to_string().as_bytes());
    let digest = manifest["digest"].as_str().unwrap().to_owned();
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    fs::write(
        folder.join("oci-layout"),
        r#"{"imageLayoutVersion": "1.0.0"}"#,
    )
    .unwrap();
    digest
}

#[tokio::test]
async fn what_is_pushed_comes_back_by_tag_and_by_digest() {
    let setup = Setup::new();
    let digest = setup.push("team/phase:1", artifact("one")).await;
    let tagged = setup.reference("team/phase:1");
    assert_eq!(setup.pull(&tagged).await.unwrap(), component("one"));
    assert_eq!(
        setup.pull(&tagged.pinned(digest)).await.unwrap(),
        component("one")
    );
    let both = setup.reference(&format!("team/phase:none@{digest}"));
    assert_eq!(setup.pull(&both).await.unwrap(), component("one"));

    let resolved = setup
        .client
        .resolve(&tagged, &Credentials::anonymous())
        .await
        .unwrap();
    assert_eq!(resolved.digest, digest);
    assert_eq!(resolved.layer.digest, Digest::of(&component("one")));
    assert_eq!(resolved.layer.media_type, "application/wasm");
}

#[tokio::test]
async fn what_is_pushed_is_laid_out_as_others_expect() {
    let setup = Setup::new();
    let digest = setup.push("team/phase:1", artifact("one")).await;
    let tagged = setup.reference("team/phase:1").to_string();
    assert_eq!(setup.crane(&["digest", &tagged]), digest.to_string());

    let manifest: Value = serde_json::from_str(&setup.crane(&["manifest", &tagged])).unwrap();
    let wasm = Digest::of(&component("one")).to_string();
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["annotations"]["a"], "1");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], wasm);
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    let config: Value = serde_json::from_str(&setup.crane(&["config", &tagged])).unwrap();
    assert_eq!(
        config,
        json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [wasm],
            "component": {"exports": ["testbench:phase/phase@0.1.0"], "imports": []},
        })
    );
}

#[tokio::test]
async fn the_same_artifact_has_the_same_digest() {
    let setup = Setup::new();
    let first = setup.push("team/phase:1", artifact("one")).await;
    assert_eq!(setup.push("team/phase:1", artifact("one")).await, first);
    assert_eq!(setup.push("other/phase:2", artifact("one")).await, first);
    assert_ne!(setup.push("team/phase:2", artifact("two")).await, first);
}

#[tokio::test]
async fn what_another_client_pushes_is_taken() {
    let setup = Setup::new();
    for (tag, media_type) in [
        ("new", "application/wasm"),
        ("old", "application/vnd.wasm.content.layer.v1+wasm"),
        ("older", "application/vnd.module.wasm.content.layer.v1+wasm"),
    ] {
        let wasm = component(tag);
        let name = format!("team/phase:{tag}");
        let digest = setup.crane_push(&name, &wasm, media_type);
        let tagged = setup.reference(&name);
        assert_eq!(setup.pull(&tagged).await.unwrap(), wasm);
        let pinned = tagged.pinned(digest.parse().unwrap());
        assert_eq!(setup.pull(&pinned).await.unwrap(), wasm);
    }
}

#[tokio::test]
async fn a_tag_moves_and_a_digest_does_not() {
    let setup = Setup::new();
    let one = setup.push("team/phase:stable", artifact("one")).await;
    let two = setup.push("team/phase:2", artifact("two")).await;
    let stable = setup.reference("team/phase:stable");
    assert_eq!(setup.pull(&stable).await.unwrap(), component("one"));
    let second = setup.reference("team/phase:2").to_string();
    setup.crane(&["tag", &second, "stable"]);
    assert_eq!(setup.pull(&stable).await.unwrap(), component("two"));
    assert_eq!(
        setup.pull(&stable.pinned(one)).await.unwrap(),
        component("one")
    );
    assert_eq!(
        setup.pull(&stable.pinned(two)).await.unwrap(),
        component("two")
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let setup = Setup::new();
    setup.push("team/phase:1", artifact("one")).await;
    let absent = Digest::of(b"absent");
    for rest in [
        "team/phase:2".to_owned(),
        "team/none:1".to_owned(),
        format!("team/phase@{absent}"),
    ] {
        let problem = setup.pull(&setup.reference(&rest)).await.unwrap_err();
        assert!(
            matches!(
                problem,
                Problem::NotFound {
                    what: "manifest",
                    ..
                }
            ),
            "{rest}: {problem}"
        );
    }
}

#[tokio::test]
async fn an_index_is_refused_with_what_to_take_instead() {
    let setup = Setup::new();
    let digest = setup.crane_push("team/phase:1", &component("one"), "application/wasm");
    let [one, all] = ["team/phase:1", "team/phase:all"].map(|it| setup.reference(it).to_string());
    setup.crane(&[
        "index",
        "append",
        "--docker-empty-base=false",
        "-m",
        &one,
        "-t",
        &all,
    ]);
    let problem = setup
        .pull(&setup.reference("team/phase:all"))
        .await
        .unwrap_err();
    let text = problem.to_string();
    assert!(matches!(problem, Problem::NotAComponent { .. }), "{text}");
    assert!(
        text.contains("an index of 1") && text.contains(&digest),
        "{text}"
    );
}

#[tokio::test]
async fn an_image_of_containers_is_no_component() {
    let setup = Setup::new();
    setup.crane_push(
        "team/image:1",
        b"\x1f\x8b",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    );
    setup.crane_push("team/module:1", b"\0asm\x01\0\0\0", "application/wasm");
    for (rest, expected) in [
        ("team/image:1", "exactly one layer of type application/wasm"),
        ("team/module:1", "a core module"),
    ] {
        let problem = setup.pull(&setup.reference(rest)).await.unwrap_err();
        let text = problem.to_string();
        assert!(matches!(problem, Problem::NotAComponent { .. }), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_size_above_the_limit_is_refused_both_ways() {
    let setup = Setup::up_to(20);
    let large = component("more than twenty bytes");
    setup.crane_push("team/phase:1", &large, "application/wasm");
    let problem = setup
        .pull(&setup.reference("team/phase:1"))
        .await
        .unwrap_err();
    assert!(
        matches!(problem, Problem::TooLarge { limit: 20, .. }),
        "{problem}"
    );

    let large = artifact("more than twenty bytes");
    let pushed = setup
        .client
        .push(
            &setup.reference("team/phase:2"),
            &Credentials::anonymous(),
            large,
        )
        .await;
    let problem = pushed.unwrap_err().problem;
    assert!(
        matches!(problem, Problem::TooLarge { limit: 20, .. }),
        "{problem}"
    );
}

#[tokio::test]
async fn megabytes_go_both_ways() {
    let setup = Setup::up_to(32 * 1024 * 1024);
    let wasm = [component(""), vec![7; 20 * 1024 * 1024]].concat();
    let artifact = Artifact {
        wasm: wasm.clone(),
        ..Artifact::default()
    };
    setup.push("team/phase:1", artifact).await;
    let pulled = setup.pull(&setup.reference("team/phase:1")).await.unwrap();
    // Not printed.
    assert!(pulled == wasm);
}

#[tokio::test]
async fn a_push_to_a_digest_is_held_to_it() {
    let setup = Setup::new();
    let digest = setup.push("team/phase:1", artifact("one")).await;
    let pinned = setup.reference(&format!("team/copy@{digest}"));
    let nobody = Credentials::anonymous();
    let pushed = setup.client.push(&pinned, &nobody, artifact("one")).await;
    assert_eq!(pushed.unwrap(), digest);
    assert_eq!(setup.pull(&pinned).await.unwrap(), component("one"));

    let other = setup.client.push(&pinned, &nobody, artifact("two")).await;
    let problem = other.unwrap_err().problem;
    assert!(
        matches!(problem, Problem::DigestMismatch { .. }),
        "{problem}"
    );
}

#[tokio::test]
async fn only_components_are_pushed() {
    let setup = Setup::new();
    let module = Artifact {
        wasm: b"\0asm\x01\0\0\0".to_vec(),
        ..Artifact::default()
    };
    let reference = setup.reference("team/phase:1");
    let nobody = Credentials::anonymous();
    let pushed = setup.client.push(&reference, &nobody, module).await;
    let problem = pushed.unwrap_err().problem;
    assert!(
        matches!(problem, Problem::NotAComponent { .. }),
        "{problem}"
    );
    let problem = setup.pull(&reference).await.unwrap_err();
    assert!(matches!(problem, Problem::NotFound { .. }), "{problem}");
}

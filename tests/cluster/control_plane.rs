//! What a test gets: an admin's client, a namespace of its own, Kubernetes' own controllers, a log of all requests.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Instant;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Client, Resource, ResourceExt};
use testbench_tests::control_plane::{ControlPlane, config_from, poll};

use super::{LIMIT, binary, shared};

fn config_map(name: &str, owner: Option<OwnerReference>) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

async fn create(config_maps: &Api<ConfigMap>, object: &ConfigMap) -> kube::Result<ConfigMap> {
    config_maps.create(&PostParams::default(), object).await
}

#[tokio::test]
async fn it_starts_and_answers() {
    let control_plane = shared();
    let client = control_plane.client().await.unwrap();
    let version = client.apiserver_version().await.unwrap();
    assert_eq!(
        (version.major.as_str(), version.minor.as_str()),
        ("1", "37")
    );
    let namespaces = Api::<Namespace>::all(client);
    assert!(namespaces.get("default").await.is_ok());
}

#[tokio::test]
async fn namespaces_keep_tests_apart() {
    let control_plane = shared();
    let client = control_plane.client().await.unwrap();
    let one = control_plane.namespace().await.unwrap();
    let other = control_plane.namespace().await.unwrap();
    assert_ne!(one.name(), other.name());
    for namespace in [&one, &other] {
        let config_maps = Api::namespaced(client.clone(), namespace.name());
        create(&config_maps, &config_map("same", None))
            .await
            .unwrap();
        assert_eq!(
            config_maps
                .list(&ListParams::default())
                .await
                .unwrap()
                .items
                .len(),
            1
        );
    }

    let gone = one.name().to_owned();
    drop(one);
    let namespaces = Api::<Namespace>::all(client);
    let deleted = poll(LIMIT, async || {
        let namespace = namespaces.get_opt(&gone).await.unwrap();
        namespace
            .is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some())
            .then_some(())
    });
    assert!(deleted.await.is_some(), "{gone} was not deleted");
    let kept = namespaces.get(other.name()).await.unwrap();
    assert_eq!(kept.metadata.deletion_timestamp, None);
}

#[tokio::test]
async fn what_an_object_owns_goes_with_it() {
    let control_plane = shared();
    let namespace = control_plane.namespace().await.unwrap();
    let client = control_plane.client().await.unwrap();
    let config_maps = Api::<ConfigMap>::namespaced(client, namespace.name());
    let owner = create(&config_maps, &config_map("owner", None))
        .await
        .unwrap();
    let owned = config_map("owned", owner.controller_owner_ref(&()));
    create(&config_maps, &owned).await.unwrap();

    config_maps
        .delete("owner", &DeleteParams::background())
        .await
        .unwrap();
    let gone = poll(LIMIT, async || {
        config_maps
            .get_opt("owned")
            .await
            .unwrap()
            .is_none()
            .then_some(())
    });
    assert!(gone.await.is_some(), "`owned` outlived its owner");
}

/// An account may do what a role says. Owning is a right of its own: without `update` on the owner's finalizers, a reference
/// that blocks its deletion is refused.
#[tokio::test]
async fn an_account_may_do_what_is_granted_and_nothing_else() {
    let control_plane = shared();
    let namespace = control_plane.namespace().await.unwrap();
    let admin = control_plane.client().await.unwrap();
    let account = ServiceAccount {
        metadata: ObjectMeta {
            name: Some("somebody".to_owned()),
            ..ObjectMeta::default()
        },
        ..ServiceAccount::default()
    };
    let accounts = Api::namespaced(admin.clone(), namespace.name());
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let kubeconfig = control_plane.kubeconfig_of(namespace.name(), "somebody");
    let config = config_from(&kubeconfig.await.unwrap()).await.unwrap();
    let somebody = Client::try_from(config).unwrap();
    let as_somebody = Api::<ConfigMap>::namespaced(somebody, namespace.name());
    let refused = |answer: kube::Result<ConfigMap>| match answer {
        Err(kube::Error::Api(status)) if status.code == 403 => status.message,
        other => panic!("expected 403, found {other:?}"),
    };
    refused(create(&as_somebody, &config_map("owner", None)).await);

    grant(&admin, namespace.name(), "configmaps", "create").await;
    // The API server learns of a role by a watch.
    let owner = poll(LIMIT, async || {
        create(&as_somebody, &config_map("owner", None)).await.ok()
    });
    let owner = owner.await.unwrap();
    // kube leaves `blockOwnerDeletion` out.
    let blocking = OwnerReference {
        block_owner_deletion: Some(true),
        ..owner.controller_owner_ref(&()).unwrap()
    };
    let owned = config_map("owned", Some(blocking));
    let message = refused(create(&as_somebody, &owned).await);
    assert!(message.contains("finalizers"), "{message}");

    grant(&admin, namespace.name(), "configmaps/finalizers", "update").await;
    let created = poll(LIMIT, async || create(&as_somebody, &owned).await.ok());
    assert!(created.await.is_some(), "`owned` stays refused");
}

/// To the account `somebody`.
async fn grant(admin: &Client, namespace: &str, resource: &str, verb: &str) {
    let metadata = ObjectMeta {
        name: Some(resource.replace('/', "-")),
        ..ObjectMeta::default()
    };
    let role = Role {
        metadata: metadata.clone(),
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![String::new()]),
            resources: Some(vec![resource.to_owned()]),
            verbs: vec![verb.to_owned()],
            ..PolicyRule::default()
        }]),
    };
    let binding = RoleBinding {
        role_ref: RoleRef {
            api_group: Some(Role::group(&()).into_owned()),
            kind: Role::kind(&()).into_owned(),
            name: role.name_any(),
        },
        metadata,
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: "somebody".to_owned(),
            namespace: Some(namespace.to_owned()),
            ..Subject::default()
        }]),
    };
    let post = PostParams::default();
    let roles = Api::namespaced(admin.clone(), namespace);
    roles.create(&post, &role).await.unwrap();
    let bindings = Api::namespaced(admin.clone(), namespace);
    bindings.create(&post, &binding).await.unwrap();
}

#[tokio::test]
async fn every_request_is_in_the_audit_log() {
    let control_plane = shared();
    let namespace = control_plane.namespace().await.unwrap();
    let client = control_plane.client().await.unwrap();
    let config_maps = Api::<ConfigMap>::namespaced(client, namespace.name());
    create(&config_maps, &config_map("seen", None))
        .await
        .unwrap();
    assert!(
        create(&config_maps, &config_map("seen", None))
            .await
            .is_err()
    );

    let answers = poll(LIMIT, async || {
        let events = control_plane.audit_events().unwrap();
        let ours = events.into_iter().filter(|event| {
            let object = event.object_ref.clone().unwrap_or_default();
            (object.resource.as_str(), object.namespace.as_str())
                == ("configmaps", namespace.name())
        });
        let answers: Vec<_> = ours
            .map(|event| {
                let code = event.response_status.map(|status| status.code);
                (event.verb, event.user.username, code)
            })
            .collect();
        (answers.len() >= 2).then_some(answers)
    });
    let create = |code| ("create".to_owned(), "admin".to_owned(), Some(code));
    assert_eq!(answers.await.unwrap(), [create(201), create(409)]);
}

/// Measures what CONTRIBUTING.md says; the machine decides how long it may take, so nothing is asserted.
#[test]
fn a_control_plane_of_ones_own_is_gone_when_it_is_dropped() {
    let started = Instant::now();
    let control_plane = ControlPlane::start(binary()).unwrap();
    println!("started in {:.1} s", started.elapsed().as_secs_f64());
    let folder = control_plane.folder().to_owned();
    assert!(folder.join("audit.log").is_file());
    drop(control_plane);
    assert!(!folder.exists());
}

/// Between finding a free port and using it, somebody else may take it.
#[test]
fn a_port_that_is_taken_makes_it_try_others() {
    // Of etcd, of the API server.
    for taken in [0, 2] {
        // Three free ports, of which this test keeps one.
        let mut held: Vec<_> = (0..3)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<_> = held
            .iter()
            .map(|it| it.local_addr().unwrap().port())
            .collect();
        let _taken = held.swap_remove(taken);
        drop(held);
        let mut supervisor = Command::new(binary())
            .args(["supervise", "--first-ports"])
            .args(ports.iter().map(u16::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answer = String::new();
        let stdout = supervisor.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut answer).unwrap();
        drop(supervisor.stdin.take());
        assert!(supervisor.wait().unwrap().success(), "{answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let server = answer["Running"]["server"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert_ne!(
            server,
            format!("https://127.0.0.1:{}", ports[2]),
            "port {taken} of {ports:?} was not taken"
        );
    }
}

#[test]
fn a_missing_program_is_named_with_what_to_do() {
    let nothing = tempfile::tempdir().unwrap();
    let output = Command::new(binary())
        .arg("up")
        .env("XDG_CACHE_HOME", nothing.path())
        .env_remove("KUBEBUILDER_ASSETS")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        stderr.contains("expected the program etcd") && stderr.contains("run `make control-plane`"),
        "{stderr}"
    );
}

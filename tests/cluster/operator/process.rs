//! The operator as a process: killed, stopped, without what it needs; with the token of its account, and with much to do.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus};

use futures::StreamExt as _;
use futures::stream;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbench_core::yaml;
use testbench_operator::kinds::{
    CONFIG_MAP, EVENT, EXPERIMENT, Kind, PHASE_PLUGIN, TEST_TRIGGER, TEST_WORKFLOW,
};
use testbench_operator::rights::RIGHTS;
use testbench_tests::control_plane::{AuditEvent, ControlPlane, poll};
use testbench_tests::folder;

use super::super::{LIMIT, binary, shared};
use super::{
    Operated, USER, condition, experiment, get, kubeconfig, kubectl, references, scenarios,
};

/// An operator that ends with the test, however that ends.
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn start(kubeconfig: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        fs::write(&file, kubeconfig).unwrap();
        let child = Command::new(binary())
            .args(["tied", &std::process::id().to_string()])
            .arg(env!("CARGO_BIN_EXE_operator"))
            .args(arguments)
            .env("KUBECONFIG", file)
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// Serves one namespace, in which Testkube is too.
    async fn serve(operated: &Operated, more: &[&str]) -> Self {
        Self::serve_as(&kubeconfig(shared()).await, operated, more)
    }

    fn serve_as(kubeconfig: &str, operated: &Operated, more: &[&str]) -> Self {
        let namespace = operated.name();
        let mut arguments = vec![
            "--operator-namespace",
            "testbench-system",
            "--testkube-namespace",
            namespace,
            "--watch-namespace",
            namespace,
        ];
        arguments.extend(more);
        Self::start(kubeconfig, &arguments)
    }

    fn send(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    async fn end(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let ended = poll(LIMIT, async || child.try_wait().unwrap()).await;
        ended.unwrap_or_else(|| panic!("the operator runs on; its log: {}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an operator that is killed in between has to bring about.
const TRIGGERED: &str = "deployment-image-update";

async fn wants(operated: &Operated, trigger: bool) {
    let spec = json!({
        "dataset": {"url": if trigger { "http://data/1" } else { "http://data/2" }},
        "trigger": {"enabled": trigger, "event": TRIGGERED},
    });
    operated.apply(experiment("weather", spec)).await;
}

/// All that is in the namespace of an Experiment, without what differs between two namespaces.
async fn state(operated: &Operated) -> Value {
    let mut state = Vec::new();
    for kind in [EXPERIMENT, CONFIG_MAP, TEST_WORKFLOW, TEST_TRIGGER] {
        let objects = operated.api(kind).list(&Default::default()).await.unwrap();
        for object in objects.items {
            let mut object = serde_json::to_value(object).unwrap();
            let metadata = object["metadata"].as_object_mut().unwrap();
            if metadata["name"] == "kube-root-ca.crt" {
                continue;
            }
            for own in [
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "managedFields",
            ] {
                metadata.remove(own);
            }
            if let Some(owner) = object.pointer_mut("/metadata/ownerReferences/0/uid") {
                *owner = Value::Null;
            }
            if let Some(annotations) = object.pointer_mut("/metadata/annotations") {
                // Of the content with the namespace in it.
                *annotations = json!(annotations.as_object().unwrap().keys().collect::<Vec<_>>());
            }
            let conditions = object.pointer_mut("/status/conditions");
            for condition in conditions
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                condition["lastTransitionTime"] = Value::Null;
            }
            state.push(object);
        }
    }
    let text = Value::from(state)
        .to_string()
        .replace(operated.name(), "NAMESPACE");
    serde_json::from_str(&text).unwrap()
}

/// Kills an operator after each of the writes that it takes from one end state to the next, and looks what another makes of it.
async fn expect_the_same_end_state(from_there: bool, writes: usize) {
    let before = async |operated: &mut Operated| {
        references(operated).await;
        if from_there {
            wants(operated, true).await;
            operated.start_operator().await;
            operated.until_ready("weather").await;
            operated.stop_operator();
        }
    };
    let mut undisturbed = Operated::unattended().await;
    before(&mut undisturbed).await;
    let written = undisturbed.writes().len();
    undisturbed.start_operator().await;
    wants(&undisturbed, !from_there).await;
    undisturbed.until_ready("weather").await;
    undisturbed.stop_operator();
    // The log may be a moment behind.
    let logged = async || (undisturbed.writes().len() >= written + writes).then_some(());
    poll(LIMIT, logged).await;
    assert_eq!(
        undisturbed.writes().len(),
        written + writes,
        "{:#?}",
        undisturbed.writes()
    );
    let expected = state(&undisturbed).await;

    for kill_after in 1..=writes {
        let mut operated = Operated::unattended().await;
        before(&mut operated).await;
        let mut process =
            Process::serve(&operated, &["--die-after-writes", &kill_after.to_string()]).await;
        wants(&operated, !from_there).await;
        let status = process.end().await;
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9),
            "{}",
            process.log()
        );
        operated.start_operator().await;
        operated.until_ready("weather").await;
        operated.stop_operator();
        assert_eq!(
            state(&operated).await,
            expected,
            "killed after write {kill_after}"
        );
    }
}

/// ConfigMap, workflow, trigger, an Event and the status.
#[tokio::test]
async fn an_operator_killed_after_any_write_that_generates_leaves_nothing_that_another_cannot_finish()
 {
    expect_the_same_end_state(false, 5).await;
}

/// The workflow, the deletion of the trigger, two Events and the status.
#[tokio::test]
async fn an_operator_killed_after_any_write_that_changes_leaves_nothing_that_another_cannot_finish()
{
    expect_the_same_end_state(true, 5).await;
}

#[tokio::test]
async fn it_ends_on_sigterm_with_0() {
    let operated = Operated::unattended().await;
    references(&operated).await;
    wants(&operated, true).await;
    let mut process = Process::serve(&operated, &[]).await;
    operated.until_ready("weather").await;
    process.send("-TERM");
    assert_eq!(process.end().await.code(), Some(0), "{}", process.log());
}

async fn expect_refusal(kubeconfig: &str, parts: &[&str]) {
    let arguments = ["--operator-namespace", "x", "--testkube-namespace", "x"];
    let mut process = Process::start(kubeconfig, &arguments);
    assert_eq!(process.end().await.code(), Some(2), "{}", process.log());
    for part in parts {
        assert!(process.log().contains(part), "{part}: {}", process.log());
    }
}

#[tokio::test]
async fn it_says_what_it_lacks_and_ends_with_2() {
    let operated = Operated::unattended().await;
    // An account that may do nothing.
    kubectl(
        shared(),
        &[
            "create",
            "serviceaccount",
            "nobody",
            "--namespace",
            operated.name(),
        ],
    );
    let nobody = shared().kubeconfig_of(operated.name(), "nobody");
    expect_refusal(
        &nobody.await.unwrap(),
        &[
            "may not list, watch experiments.testbench.agentic-layer.ai in all namespaces",
            "patch experiments/status.testbench.agentic-layer.ai",
            "get, list, watch, create, patch, delete testworkflows.testworkflows.testkube.io",
            "deploy/install.yaml",
        ],
    )
    .await;

    let bare = ControlPlane::start(binary()).unwrap();
    let admin = fs::read_to_string(bare.kubeconfig()).unwrap();
    expect_refusal(
        &admin,
        &[
            "no CustomResourceDefinition experiments.testbench.agentic-layer.ai",
            "testbench crd | kubectl apply",
        ],
    )
    .await;
    drop(bare);
    // Nobody listens there any more.
    let admin = admin.replace("certificate-authority:", "insecure-skip-tls-verify: true #");
    expect_refusal(&admin, &["failed to reach the Kubernetes API server"]).await;
}

#[tokio::test]
async fn many_experiments_at_once_become_ready() {
    const MANY: usize = 200;
    let operated = Operated::start().await;
    references(&operated).await;
    stream::iter(0..MANY)
        .for_each_concurrent(16, async |number| {
            let spec = json!({"scenarios": scenarios(&format!("Hello {number}"))});
            operated
                .apply(experiment(&format!("many-{number}"), spec))
                .await;
        })
        .await;
    let api = operated.api(EXPERIMENT);
    let mut ready = 0;
    let all = poll(5 * LIMIT, async || {
        let experiments = api.list(&Default::default()).await.unwrap().items;
        let is_ready = |experiment: &&DynamicObject| {
            condition(&experiment.data, "Ready").is_some_and(|ready| ready["status"] == "True")
        };
        ready = experiments.iter().filter(is_ready).count();
        (ready == MANY).then_some(())
    });
    assert!(all.await.is_some(), "{ready} of {MANY} are ready");
    assert_eq!(operated.generated().await.len(), 2 * MANY);
}

/// What is looked for at the start is what is granted, but for what the operator can do without.
#[test]
fn rights_are_looked_for_as_they_are_granted() {
    let named = |right: &testbench_operator::rights::Right| {
        let (group, _) = right.kind.group_version();
        let resource = match right.subresource {
            "" => right.kind.plural.to_owned(),
            part => format!("{}/{part}", right.kind.plural),
        };
        let verbs = right.verbs.iter();
        verbs
            .map(|verb| (group.to_owned(), resource.clone(), (*verb).to_owned()))
            .collect::<Vec<_>>()
    };
    let looked_for: BTreeSet<_> = RIGHTS.iter().flat_map(named).collect();
    let granted = granted();
    let (group, resource, verb) = UNSEEN;
    let without: BTreeSet<_> = [
        (group, resource, verb),
        ("", "events", "list"),
        ("", "events", "watch"),
    ]
    .into_iter()
    .map(|(group, resource, verb)| (group.to_owned(), resource.to_owned(), verb.to_owned()))
    .collect();
    assert_eq!(&granted - &looked_for, without);
    assert_eq!(&looked_for - &granted, BTreeSet::new());
}

/// Group, resource with subresource, verb.
type Right = (String, String, String);

/// What `deploy/install/` grants to the operator.
fn granted() -> BTreeSet<Right> {
    let mut granted = BTreeSet::new();
    for file in ["cluster-role.yaml", "role.yaml"] {
        let text = fs::read_to_string(folder("../deploy/install").join(file)).unwrap();
        let role = yaml::parse(&text).unwrap().remove(0).value;
        for rule in role["rules"].as_array().unwrap() {
            let all = |key: &str| {
                let values = rule[key].as_array().unwrap().clone();
                values
                    .into_iter()
                    .map(|value| value.as_str().unwrap().to_owned())
            };
            for group in all("apiGroups") {
                for resource in all("resources") {
                    granted
                        .extend(all("verbs").map(|verb| (group.clone(), resource.clone(), verb)));
                }
            }
        }
    }
    granted
}

/// What a request needs.
fn needed(event: &AuditEvent) -> Vec<Right> {
    let Some(object) = &event.object_ref else {
        return Vec::new();
    };
    let resource = match object.subresource.as_str() {
        "" => object.resource.clone(),
        sub => format!("{}/{sub}", object.resource),
    };
    let right = |verb: &str| (object.api_group.clone(), resource.clone(), verb.to_owned());
    let created = event.response_status.as_ref().map(|status| status.code) == Some(201);
    // An apply that creates is checked for both.
    let verbs = [Some(event.verb.as_str()), created.then_some("create")];
    verbs.into_iter().flatten().map(right).collect()
}

/// Checked by OwnerReferencesPermissionEnforcement, which no audit log shows.
const UNSEEN: (&str, &str, &str) = (
    "testbench.agentic-layer.ai",
    "experiments/finalizers",
    "update",
);

#[tokio::test]
async fn it_has_the_rights_that_it_uses_and_no_others() {
    let operated = Operated::unattended().await;
    references(&operated).await;
    let _process = Process::serve(&operated, &[]).await;
    let until_healed = async |times: u64| {
        let events = operated.api(EVENT);
        let seen = poll(LIMIT, async || {
            let events = events.list(&Default::default()).await.unwrap().items;
            let mut data = events.into_iter().map(|event| event.data);
            let of = data.find(|event| {
                let note = event["message"].as_str().unwrap_or_default();
                event["reason"] == "Healed" && note.contains("spec.event")
            })?;
            (of["series"]["count"].as_u64().unwrap_or(1) >= times).then_some(())
        });
        let seen = seen.await;
        assert!(
            seen.is_some(),
            "no Event says {times} times what was healed"
        );
    };
    let change = async |kind: Kind, name: &str, patch: Value| {
        let params = PatchParams::default();
        operated
            .api(kind)
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    };

    wants(&operated, true).await;
    operated.until_ready("weather").await;
    let objects = [
        (CONFIG_MAP, "weather-experiment"),
        (TEST_WORKFLOW, "weather-workflow"),
        (TEST_TRIGGER, "weather-trigger"),
    ];
    // Without its label an object is in no cache, so it is read.
    for (kind, name) in objects {
        let label = "app.kubernetes.io/managed-by";
        change(kind, name, json!({"metadata": {"labels": {label: null}}})).await;
        operated
            .until(kind, name, "labelled", |object| {
                object["metadata"]["labels"][label] == "testbench"
            })
            .await;
    }
    // The same twice is one Event, patched.
    for count in 1..=2 {
        change(
            TEST_TRIGGER,
            "weather-trigger",
            json!({"spec": {"event": "deleted"}}),
        )
        .await;
        operated
            .until(TEST_TRIGGER, "weather-trigger", "healed", |it| {
                it["spec"]["event"] == TRIGGERED
            })
            .await;
        until_healed(count).await;
    }
    // It serves nobody here, and is told so.
    operated.apply(tenants_plugin()).await;
    operated
        .until(PHASE_PLUGIN, "own", "told that it is off", |plugin| {
            condition(plugin, "Ready").is_some_and(|ready| ready["reason"] == "TenantsDisabled")
        })
        .await;
    // What an earlier version called otherwise.
    let owners = get(&operated.api(TEST_WORKFLOW), "weather-workflow").await["metadata"].clone();
    for (kind, _) in objects {
        operated
            .apply(json!({
                "apiVersion": kind.api_version, "kind": kind.kind,
                "metadata": {"name": "old", "labels": owners["labels"], "ownerReferences": owners["ownerReferences"]},
            }))
            .await;
    }
    wants(&operated, false).await;
    operated.until_gone(TEST_TRIGGER, "weather-trigger").await;
    for (kind, _) in objects {
        operated.until_gone(kind, "old").await;
    }
    operated
        .delete(EXPERIMENT, "weather", &DeleteParams::background())
        .await;
    operated.until_gone(EXPERIMENT, "weather").await;
    for (kind, name) in objects {
        operated.until_gone(kind, name).await;
    }

    let here = format!("/namespaces/{}/", operated.name());
    let mut used = BTreeSet::new();
    for event in shared().audit_events().unwrap() {
        if event.user.username != USER || !event.request_uri.contains(&here) {
            continue;
        }
        let code = event
            .response_status
            .as_ref()
            .map_or(0, |status| status.code);
        assert!(code != 401 && code != 403, "refused: {event:?}");
        used.extend(needed(&event));
    }
    let granted = granted();
    let list = |rights: Vec<&Right>| rights.into_iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        list(used.difference(&granted).collect()),
        BTreeSet::new(),
        "used, not granted"
    );
    let (group, resource, verb) = UNSEEN;
    let unseen = (group.to_owned(), resource.to_owned(), verb.to_owned());
    assert_eq!(
        list(granted.difference(&used).collect()),
        BTreeSet::from([unseen]),
        "granted, never used"
    );
}

fn tenants_plugin() -> Value {
    json!({
        "apiVersion": PHASE_PLUGIN.api_version, "kind": PHASE_PLUGIN.kind, "metadata": {"name": "own"},
        "spec": {"source": {"bundled": "template"}},
    })
}

/// What no audit log shows.
#[tokio::test]
async fn without_the_right_to_finalizers_nothing_can_be_owned() {
    let operated = Operated::unattended().await;
    references(&operated).await;
    let namespace = operated.name();
    let text = fs::read_to_string(folder("../deploy/install/cluster-role.yaml")).unwrap();
    let mut role = yaml::parse(&text).unwrap().remove(0).value;
    role["metadata"]["name"] = json!(namespace);
    let rules = role["rules"].as_array_mut().unwrap();
    let all = rules.len();
    rules.retain(|rule| rule["resources"] != json!(["experiments/finalizers"]));
    assert_eq!(rules.len(), all - 1);
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "limited", "namespace": namespace}],
    });
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "limited", "namespace": namespace},
    });
    let folder = tempfile::tempdir().unwrap();
    for (number, object) in [role, binding, account].into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.json"));
        fs::write(file, object.to_string()).unwrap();
    }
    kubectl(shared(), &["apply", "-f", folder.path().to_str().unwrap()]);

    let limited = shared().kubeconfig_of(namespace, "limited").await.unwrap();
    let _process = Process::serve_as(&limited, &operated, &[]);
    wants(&operated, true).await;
    let message = operated
        .until_condition("weather", "Ready", "False", "ApplyFailed")
        .await;
    assert!(message.contains("blockOwnerDeletion"), "{message}");
    assert!(operated.generated().await.is_empty());
}

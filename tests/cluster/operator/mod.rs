//! The operator at work: an operator and a namespace for each test, with the rights of `deploy/install.yaml` and no others.

mod author;
mod cut;
mod deletion;
mod drift;
mod generate;
mod hostile;
mod idle;
mod kinds_missing;
mod plugins;
mod process;
mod proxy;
mod references;
mod registries;
mod samples;
mod tells;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbench_core::config::PluginConfig;
use testbench_core::pipeline::Host;
use testbench_core::yaml;
use testbench_operator::client::configured;
use testbench_operator::kinds::{CONFIG_MAP, EVENT, EXPERIMENT, Kind, TEST_TRIGGER, TEST_WORKFLOW};
use testbench_operator::watch::Namespaces;
use testbench_operator::{Options, run};
use testbench_tests::control_plane::{AuditEvent, ControlPlane, Namespace, config_from, poll};
use testbench_tests::{bundled_host, folder};
use tokio::sync::{OnceCell, oneshot};

use self::proxy::Proxy;
use super::{LIMIT, shared};

/// The account that the operator has when it is installed.
const ACCOUNT: (&str, &str) = ("testbench-system", "testbench");
/// As the audit log has it.
const USER: &str = "system:serviceaccount:testbench-system:testbench";

/// A namespace with an operator that serves it alone; Testkube, as far as the operator knows, is there too.
struct Operated {
    cluster: &'static ControlPlane,
    admin: Client,
    namespace: Namespace,
    /// Served too.
    others: Vec<Namespace>,
    operator: Option<Operator>,
    /// What lies between the operator and the API server.
    line: Option<Proxy>,
    /// Instead of the operator's own.
    longest_silence: Option<Duration>,
    /// What the administrator allows plugins.
    administration: PluginConfig,
    /// What compiles components.
    compiler: Vec<OsString>,
    /// Where components outlast a restart of the operator.
    cache: TempDir,
}

/// An operator, on threads of its own: a test's own runtime must not be needed to stop it.
struct Operator {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Operated {
    async fn start() -> Self {
        let mut operated = Self::unattended().await;
        operated.start_operator().await;
        operated
    }

    /// Without an operator yet.
    async fn unattended() -> Self {
        install().await;
        Self::unattended_on(shared()).await
    }

    async fn start_on(cluster: &'static ControlPlane) -> Self {
        let mut operated = Self::unattended_on(cluster).await;
        operated.start_operator().await;
        operated
    }

    async fn unattended_on(cluster: &'static ControlPlane) -> Self {
        Self::unattended_in(cluster, cluster.namespace().await.unwrap()).await
    }

    async fn unattended_in(cluster: &'static ControlPlane, namespace: Namespace) -> Self {
        let operated = Self {
            cluster,
            admin: cluster.client().await.unwrap(),
            namespace,
            others: Vec::new(),
            operator: None,
            line: None,
            longest_silence: None,
            administration: PluginConfig::default(),
            compiler: vec![env!("CARGO_BIN_EXE_operator").into(), "compile".into()],
            cache: tempfile::tempdir().unwrap(),
        };
        operated.grant_events().await;
        operated
    }

    /// What `deploy/install.yaml` grants in Testkube's namespace, here.
    async fn grant_events(&self) {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "runs"},
            "rules": [{"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]}],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "runs"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "runs"},
            "subjects": [{"kind": "ServiceAccount", "namespace": ACCOUNT.0, "name": ACCOUNT.1}],
        });
        self.apply(role).await;
        self.apply(binding).await;
    }

    async fn start_operator(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let served = std::iter::once(&self.namespace).chain(&self.others);
        let options = Options {
            namespaces: Namespaces::Named(served.map(|one| one.name().to_owned()).collect()),
            operator_namespace: self.name().to_owned(),
            testkube_namespace: self.name().to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            plugins: self.administration.clone(),
            cache_dir: self.cache.path().to_owned(),
            compiler: self.compiler.clone(),
        };
        let host = host().await;
        let kubeconfig = kubeconfig(self.cluster).await;
        let mut config = config_from(&kubeconfig).await.unwrap();
        config.read_timeout = self.longest_silence;
        if let Some(line) = &self.line {
            config.cluster_url = line.server().parse().unwrap();
        }
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let client = Client::try_from(configured(config)).unwrap();
                let stopped = async { drop(stopped.await) };
                run(options, client, host, stopped).await.unwrap();
            });
        });
        self.operator = Some(Operator { stop, thread });
    }

    fn stop_operator(&mut self) {
        if let Some(Operator { stop, thread }) = self.operator.take() {
            let _ = stop.send(());
            thread.join().unwrap();
        }
    }

    fn name(&self) -> &str {
        self.namespace.name()
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.admin.clone(), self.name(), &kind.api_resource())
    }

    /// Applies a manifest as a user would, in this namespace where it names none.
    async fn apply(&self, manifest: Value) -> DynamicObject {
        let api = self.api_of(&manifest);
        let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
        let params = PatchParams::apply("a-user").force();
        api.patch(&name, &params, &Patch::Apply(manifest))
            .await
            .unwrap()
    }

    fn api_of(&self, manifest: &Value) -> Api<DynamicObject> {
        let text = |key: &str| manifest[key].as_str().unwrap();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", "v1"));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
        let namespace = manifest["metadata"]["namespace"].as_str();
        Api::namespaced_with(
            self.admin.clone(),
            namespace.unwrap_or(self.name()),
            &resource,
        )
    }

    async fn delete(&self, kind: Kind, name: &str, how: &DeleteParams) {
        self.api(kind).delete(name, how).await.unwrap();
    }

    /// Waits until the object looks as `is_wanted` says.
    async fn until(
        &self,
        kind: Kind,
        name: &str,
        what: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let api = self.api(kind);
        let mut last = Value::Null;
        let seen = poll(LIMIT, async || {
            last = self::get(&api, name).await;
            is_wanted(&last).then(|| last.clone())
        });
        match seen.await {
            Some(seen) => seen,
            None => panic!("{} {name}: never {what}; last seen: {last:#}", kind.kind),
        }
    }

    /// Waits until the object is gone.
    async fn until_gone(&self, kind: Kind, name: &str) {
        self.until(kind, name, "gone", Value::is_null).await;
    }

    /// Waits until a CustomResourceDefinition is gone.
    async fn until_kind_gone(&self, name: &str) {
        let crds: Api<CustomResourceDefinition> = Api::all(self.admin.clone());
        let gone = poll(LIMIT, async || {
            let found = crds.get_metadata_opt(name).await.unwrap();
            found.is_none().then_some(())
        });
        gone.await.unwrap_or_else(|| panic!("{name} never went"));
    }

    /// Waits for a status of a condition of an Experiment, and gives its reason and message.
    async fn until_condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> String {
        let what = format!("{kind}={status} because of {reason}");
        let experiment = self
            .until(EXPERIMENT, name, &what, |experiment| {
                condition(experiment, kind)
                    .is_some_and(|found| found["status"] == status && found["reason"] == reason)
                    && experiment["status"]["observedGeneration"]
                        == experiment["metadata"]["generation"]
            })
            .await;
        condition(&experiment, kind).unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn until_ready(&self, name: &str) {
        self.until_condition(name, "Ready", "True", "Reconciled")
            .await;
    }

    /// The names of what exists of generated kinds, `ConfigMap/x` and so on.
    async fn generated(&self) -> Vec<String> {
        let mut names = Vec::new();
        for kind in [CONFIG_MAP, TEST_WORKFLOW, TEST_TRIGGER] {
            let objects = self.api(kind).list(&Default::default()).await.unwrap();
            let ours = objects
                .items
                .into_iter()
                .filter_map(|object| object.metadata.name)
                .filter(|name| name != "kube-root-ca.crt");
            names.extend(ours.map(|name| format!("{}/{name}", kind.kind)));
        }
        names
    }

    /// What the operator asked for in this namespace until now.
    fn requests(&self) -> Vec<AuditEvent> {
        let events = self.cluster.audit_events().unwrap();
        let here = format!("/namespaces/{}/", self.name());
        let by_operator = events
            .into_iter()
            .filter(|event| event.user.username == USER && event.request_uri.contains(&here));
        by_operator.collect()
    }

    /// What it wrote: verb and path of what was not refused.
    fn writes(&self) -> Vec<String> {
        let wrote = |event: &AuditEvent| {
            let status = event.response_status.as_ref();
            !matches!(event.verb.as_str(), "get" | "list" | "watch")
                && status.is_some_and(|status| status.code < 300)
        };
        let requests = self.requests().into_iter().filter(wrote);
        requests
            .map(|event| format!("{} {}", event.verb, event.request_uri))
            .collect()
    }

    /// Waits for an Event about an Experiment.
    async fn until_told(&self, name: &str, reason: &str) {
        let told = poll(LIMIT, async || {
            let events = self.api(EVENT).list(&Default::default()).await.unwrap();
            let told = events.items.iter().any(|event| {
                event.data["involvedObject"]["name"] == name && event.data["reason"] == reason
            });
            told.then_some(())
        });
        told.await
            .unwrap_or_else(|| panic!("{name}: never an Event {reason}"));
    }
}

impl Drop for Operated {
    fn drop(&mut self) {
        if let Some(Operator { stop, .. }) = self.operator.take() {
            let _ = stop.send(());
        }
    }
}

/// The operator's own.
async fn kubeconfig(cluster: &ControlPlane) -> String {
    let (namespace, account) = ACCOUNT;
    cluster.kubeconfig_of(namespace, account).await.unwrap()
}

/// The object, or null.
async fn get(api: &Api<DynamicObject>, name: &str) -> Value {
    let found = api.get_opt(name).await.unwrap();
    found.map_or(Value::Null, |object| serde_json::to_value(object).unwrap())
}

fn condition<'a>(experiment: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = experiment["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// One for all operators: to compile the plugins takes seconds.
async fn host() -> Host {
    static HOST: OnceCell<Host> = OnceCell::const_new();
    HOST.get_or_init(|| async { bundled_host().await.unwrap() })
        .await
        .clone()
}

/// What `deploy/install.yaml` installs, and the neighbours' kinds, on the control plane that tests share.
async fn install() {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            install_operator(shared());
            for file in neighbours() {
                apply_file(shared(), &file);
            }
            wait_for_kinds(shared());
        })
        .await;
}

fn install_operator(cluster: &ControlPlane) {
    apply_file(cluster, &folder("../deploy/install.yaml"));
}

/// Our excerpts of the neighbours' CustomResourceDefinitions.
fn neighbours() -> Vec<PathBuf> {
    let crds = fs::read_dir(folder("fixtures/crds")).unwrap();
    crds.map(|entry| entry.unwrap().path()).collect()
}

fn apply_file(cluster: &ControlPlane, file: &Path) {
    let file = file.to_str().unwrap();
    kubectl(
        cluster,
        &["apply", "--server-side", "--force-conflicts", "-f", file],
    );
}

fn wait_for_kinds(cluster: &ControlPlane) {
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "--all",
    ];
    kubectl(cluster, &wait);
}

fn kubectl(cluster: &ControlPlane, arguments: &[&str]) -> String {
    let output = std::process::Command::new(cluster.kubectl())
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// An Experiment that holds its scenarios.
fn experiment(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "apiVersion": "testbench.agentic-layer.ai/v1alpha1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "agentRef": {"name": "bot"},
            "otlpEndpoint": "http://collector:4318",
            "env": [{"name": "OPENAI_BASE_URL", "value": "http://model"}],
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        whole["spec"][key] = value.clone();
    }
    whole
}

fn scenarios(input: &str) -> Value {
    json!([{"name": "hello", "steps": [{"input": input}]}])
}

/// An Agent, ready at `url`.
async fn agent(operated: &Operated, name: &str, url: &str) {
    let agent = json!({
        "apiVersion": "runtime.agentic-layer.ai/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": name},
        "spec": {"protocols": [{"type": "A2A", "port": 8000}]},
    });
    let api = operated.api_of(&agent);
    operated.apply(agent).await;
    let status = json!({"status": {"url": url}});
    let params = PatchParams::default();
    api.patch_status(name, &params, &Patch::Merge(status))
        .await
        .unwrap();
}

/// The templates that are delivered with the operator.
async fn templates(operated: &Operated) {
    for entry in fs::read_dir(folder("../deploy/templates")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for document in yaml::parse(&text).unwrap() {
            operated.apply(document.value).await;
        }
    }
}

/// With everything that an Experiment of [`experiment`] refers to.
async fn with_references() -> Operated {
    let operated = Operated::start().await;
    references(&operated).await;
    operated
}

/// Everything that an Experiment of [`experiment`] refers to.
async fn references(operated: &Operated) {
    agent(
        operated,
        "bot",
        "http://bot:8000/.well-known/agent-card.json",
    )
    .await;
    templates(operated).await;
}

/// With an Experiment `weather` that is ready.
async fn with_weather() -> Operated {
    let operated = with_references().await;
    let spec = json!({"scenarios": scenarios("Hello")});
    operated.apply(experiment("weather", spec)).await;
    operated.until_ready("weather").await;
    operated
}

/// Creates an object that somebody else owns.
async fn foreign(operated: &Operated, manifest: Value) -> DynamicObject {
    let object = serde_json::from_value(manifest.clone()).unwrap();
    operated
        .api_of(&manifest)
        .create(&PostParams::default(), &object)
        .await
        .unwrap()
}

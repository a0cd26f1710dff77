//! A real control plane, for tests and by hand: etcd, the API server and the controller manager, as processes.
//!
//! ```text
//! test ──starts──▶ supervisor ──starts──▶ etcd, kube-apiserver, kube-controller-manager
//!      ══ pipe ══▶            ──owns────▶ the folder with their data, keys, logs and the kubeconfig
//! ```
//!
//! `programs` finds what `make control-plane` built, `launch` makes a control plane of it, `supervisor` sees to its end.

mod audit;
mod credentials;
mod launch;
mod namespace;
mod poll;
mod processes;
mod programs;
mod supervisor;
mod up;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use self::credentials::kubeconfig;
pub use audit::{AuditEvent, AuditObject, AuditStatus, AuditUser};
pub use launch::Ports;
pub use namespace::Namespace;
pub use poll::poll;
pub use processes::tied;
pub use supervisor::supervise;
pub use up::up;

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

/// What the supervisor says, in one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Running(Running),
    Failed(String),
}

/// How to reach a control plane.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Running {
    folder: PathBuf,
    server: String,
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    kubectl: PathBuf,
    supervisor: u32,
}

/// A control plane with nothing in it yet, until this is dropped or this process ends, however it does.
#[derive(Debug)]
pub struct ControlPlane {
    running: Running,
    supervisor: Child,
    deletions: OnceLock<UnboundedSender<String>>,
}

impl ControlPlane {
    /// The control plane of this test binary, started by the first test that asks. `binary` is this package's
    /// `control-plane`: `env!("CARGO_BIN_EXE_control-plane")`. Blocks meanwhile, also the tests that ask while it starts.
    ///
    /// What is not in a namespace (a CustomResourceDefinition, a webhook's configuration) is shared with all other tests: one
    /// that changes such things needs a control plane of its own, from [`ControlPlane::start`].
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::start`], the same for every test.
    pub fn shared(binary: &Path) -> Result<&'static Self, &'static StartError> {
        static SHARED: OnceLock<Result<ControlPlane, StartError>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(binary)).as_ref()
    }

    /// A control plane of one's own, which takes seconds.
    ///
    /// # Errors
    ///
    /// Where a program is missing (then it says what to do) or ends at once (then it shows its log).
    pub fn start(binary: &Path) -> Result<Self, StartError> {
        let failed = |error: std::io::Error| {
            StartError(format!(
                "failed to run the supervisor, {}: {error}",
                binary.display()
            ))
        };
        let mut supervisor = Command::new(binary)
            .arg(supervisor::SUPERVISE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Away from the terminal's process group: what Ctrl-C ends is this process, and that tells the supervisor.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(failed)?;
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Running(running)) => Ok(Self {
                running,
                supervisor,
                deletions: OnceLock::new(),
            }),
            Ok(Answer::Failed(why)) => {
                end(&mut supervisor);
                Err(StartError(why))
            }
            Err(error) => {
                end(&mut supervisor);
                Err(StartError(format!(
                    "expected the supervisor to say how to reach the control plane, found {line:?}: {error}"
                )))
            }
        }
    }

    /// A client that may do everything, as the user `admin`. It belongs to the runtime of the test that asks.
    ///
    /// # Errors
    ///
    /// Where the kubeconfig has gone, with the control plane.
    pub async fn client(&self) -> Result<Client, StartError> {
        client(self.kubeconfig(), true).await
    }

    /// A kubeconfig with a token of a service account, as a pod gets one: for who may do what RBAC grants, and nothing else.
    ///
    /// # Errors
    ///
    /// Where there is no such account.
    pub async fn kubeconfig_of(
        &self,
        namespace: &str,
        account: &str,
    ) -> Result<String, StartError> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let request = TokenRequest::default();
        let failed = |why: &str| {
            StartError(format!(
                "failed to get a token of the service account {namespace}/{account}: {why}"
            ))
        };
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .map_err(|error| failed(&error.to_string()))?;
        let token = answer.status.and_then(|status| status.token);
        let token = token.ok_or_else(|| failed("the answer holds none"))?;
        let ca = self.folder().join(credentials::CA);
        Ok(kubeconfig(&ca, self.server(), account, &token))
    }

    /// A namespace that no other test knows.
    ///
    /// # Errors
    ///
    /// Where the API server refuses it.
    pub async fn namespace(&self) -> Result<Namespace, StartError> {
        self.create_namespace(ObjectMeta {
            // The server finds a free name, whoever else asks.
            generate_name: Some("test-".to_owned()),
            ..ObjectMeta::default()
        })
        .await
    }

    /// The namespace of this name, for the one test that needs it.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::namespace`].
    pub async fn namespace_called(&self, name: &str) -> Result<Namespace, StartError> {
        self.create_namespace(ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        })
        .await
    }

    async fn create_namespace(&self, metadata: ObjectMeta) -> Result<Namespace, StartError> {
        let deletions = self
            .deletions
            .get_or_init(|| namespace::deleter(self.kubeconfig()));
        Namespace::create(self.client().await?, metadata, deletions.clone())
            .await
            .map_err(|error| StartError(format!("failed to create a namespace: {error}")))
    }

    /// What the API server was asked until now, by whom, in order of its answers.
    ///
    /// # Errors
    ///
    /// Where the log cannot be read.
    pub fn audit_events(&self) -> std::io::Result<Vec<AuditEvent>> {
        audit::read(&self.running.audit_log)
    }

    /// The kubeconfig of the user `admin`.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.running.kubeconfig
    }

    /// `https://127.0.0.1:<port>`.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.running.server
    }

    /// The kubectl that fits: one on the PATH may be of any version.
    #[must_use]
    pub fn kubectl(&self) -> &Path {
        &self.running.kubectl
    }

    /// The folder with all files of the control plane: each program's `<name>.log`, for one.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.running.folder
    }

    /// The process that owns all others.
    #[must_use]
    pub fn supervisor(&self) -> u32 {
        self.running.supervisor
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        end(&mut self.supervisor);
    }
}

/// Nothing is left when this returns.
fn end(supervisor: &mut Child) {
    drop(supervisor.stdin.take());
    let _ = supervisor.wait();
}

async fn client(kubeconfig: &Path, retry: bool) -> Result<Client, StartError> {
    let file = Kubeconfig::read_from(kubeconfig).map_err(unusable)?;
    let mut config = config(file).await?;
    config.default_retry = retry;
    Client::try_from(config).map_err(unusable)
}

/// What a client needs to work with this kubeconfig.
///
/// # Errors
///
/// Where it is no kubeconfig.
pub async fn config_from(kubeconfig: &str) -> Result<Config, StartError> {
    config(Kubeconfig::from_yaml(kubeconfig).map_err(unusable)?).await
}

async fn config(file: Kubeconfig) -> Result<Config, StartError> {
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(unusable)?;
    // A proxy of the environment does not reach this loopback.
    config.proxy_url = None;
    Ok(config)
}

fn unusable(error: impl std::error::Error) -> StartError {
    StartError(format!(
        "failed to make a client from a kubeconfig: {error}"
    ))
}

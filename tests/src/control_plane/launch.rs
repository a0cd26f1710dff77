//! From programs to a control plane that answers.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use tempfile::TempDir;

use super::credentials::Credentials;
use super::poll::poll;
use super::processes::{Ended, Processes};
use super::programs::Programs;
use super::{Running, StartError, client};

/// It takes 5 s on an idle machine; one that compiles on all cores meanwhile needs more.
const LIMIT: Duration = Duration::from_secs(120);
/// How often another process may take a port from under our nose.
const ATTEMPTS: usize = 5;
const AUDIT_LOG: &str = "audit.log";
const CONTROLLER_MANAGER_KUBECONFIG: &str = "controller-manager.kubeconfig";

/// A control plane that answers, until this is dropped.
#[derive(Debug)]
pub(super) struct Launched {
    // Dropped in this order: no program may write to a folder that is being removed.
    processes: Processes,
    _folder: TempDir,
    pub(super) running: Running,
}

impl Launched {
    /// Why it no longer answers, if so.
    pub(super) fn ended(&mut self) -> Option<StartError> {
        self.processes.ended().map(StartError::from)
    }
}

enum Failure {
    PortTaken(StartError),
    Other(StartError),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Other(error)
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        if ended.port_taken() {
            Self::PortTaken(ended.into())
        } else {
            Self::Other(ended.into())
        }
    }
}

/// `ports` are tried first, where there are any.
pub(super) async fn launch(mut ports: Option<Ports>) -> Result<Launched, StartError> {
    let programs = Programs::find()?;
    let mut attempt = 1;
    loop {
        let ports = ports.take().map_or_else(Ports::free, Ok)?;
        match launch_once(&programs, ports).await {
            Ok(launched) => return Ok(launched),
            Err(Failure::PortTaken(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(Failure::PortTaken(error) | Failure::Other(error)) => return Err(error),
        }
    }
}

async fn launch_once(programs: &Programs, ports: Ports) -> Result<Launched, Failure> {
    let temporary = tempfile::Builder::new()
        .prefix("testbench-control-plane-")
        .tempdir()
        .map_err(|error| StartError(format!("failed to make a temporary folder: {error}")))?;
    let folder = temporary.path();
    let file = |name: &str| folder.join(name);
    let credentials = Credentials::write(folder)?;
    let server = format!("https://127.0.0.1:{}", ports.apiserver);
    let kubeconfig = file("kubeconfig");
    let audit_log = file(AUDIT_LOG);
    write(
        &file("audit-policy.yaml"),
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n",
    )?;
    write(&kubeconfig, &credentials.admin_kubeconfig(&server))?;
    write(
        &file(CONTROLLER_MANAGER_KUBECONFIG),
        &credentials.controller_manager_kubeconfig(&server),
    )?;
    let admin = client(&kubeconfig, false).await?;

    let mut processes = Processes::new(folder);
    processes.start("etcd", &programs.etcd, &etcd_flags(folder, &ports))?;
    // An API server that finds no etcd tries again a whole second later.
    wait(&mut processes, "etcd to listen", async || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, ports.etcd)).is_ok()
    })
    .await?;
    processes.start(
        "kube-apiserver",
        &programs.kube_apiserver,
        &apiserver_flags(folder, &credentials, &ports),
    )?;
    wait(
        &mut processes,
        "the API server to be ready (/readyz)",
        async || ready(&admin).await,
    )
    .await?;
    // It gives up where there is no API server yet.
    processes.start(
        "kube-controller-manager",
        &programs.kube_controller_manager,
        &controller_manager_flags(folder, &credentials),
    )?;
    let accounts = Api::<ServiceAccount>::namespaced(admin, "default");
    wait(
        &mut processes,
        "the service account `default` to exist",
        async || {
            accounts
                .get_opt("default")
                .await
                .is_ok_and(|it| it.is_some())
        },
    )
    .await?;

    let running = Running {
        folder: folder.to_owned(),
        server,
        kubeconfig,
        audit_log,
        kubectl: programs.kubectl.clone(),
        supervisor: std::process::id(),
    };
    Ok(Launched {
        processes,
        _folder: temporary,
        running,
    })
}

/// Ports on loopback.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Where etcd serves the API server.
    pub etcd: u16,
    /// Where etcd would serve other members.
    pub etcd_peer: u16,
    /// Where the API server serves everybody.
    pub apiserver: u16,
}

impl Ports {
    /// Some that are free now, all different because all are held until the last is found. The programs cannot do it
    /// themselves: the API server refuses port 0.
    fn free() -> Result<Self, StartError> {
        let failed = |error: std::io::Error| {
            StartError(format!("failed to find a free port on 127.0.0.1: {error}"))
        };
        let hold = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed);
        let held = [hold()?, hold()?, hold()?];
        let port =
            |listener: &TcpListener| listener.local_addr().map(|it| it.port()).map_err(failed);
        let [etcd, etcd_peer, apiserver] = &held;
        Ok(Self {
            etcd: port(etcd)?,
            etcd_peer: port(etcd_peer)?,
            apiserver: port(apiserver)?,
        })
    }
}

fn write(file: &Path, content: &str) -> Result<(), StartError> {
    std::fs::write(file, content)
        .map_err(|error| StartError(format!("failed to write {}: {error}", file.display())))
}

async fn wait(
    processes: &mut Processes,
    what: &str,
    mut come: impl AsyncFnMut() -> bool,
) -> Result<(), Failure> {
    let waited = poll(LIMIT, async || {
        // Whoever answers at our port, it is not ours where ours has ended: so this comes first and last.
        if let Some(ended) = processes.ended() {
            return Some(Err(ended));
        }
        if !come().await {
            return None;
        }
        processes.ended().map(Err).or(Some(Ok(())))
    })
    .await;
    match waited {
        Some(Ok(())) => Ok(()),
        Some(Err(ended)) => Err(ended.into()),
        None => Err(StartError(format!(
            "expected {what} within {} s; the logs end with\n{}",
            LIMIT.as_secs(),
            processes.logs()
        ))
        .into()),
    }
}

async fn ready(client: &kube::Client) -> bool {
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else {
        return false;
    };
    // A server that takes the connection but never answers is not ready either.
    let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(request));
    matches!(answer.await, Ok(Ok(text)) if text == "ok")
}

/// `--name=value` of each.
fn flags<const N: usize>(flags: [(&str, &str); N]) -> Vec<String> {
    flags
        .into_iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}

fn etcd_flags(folder: &Path, ports: &Ports) -> Vec<String> {
    let url = format!("http://127.0.0.1:{}", ports.etcd);
    let peer_url = format!("http://127.0.0.1:{}", ports.etcd_peer);
    flags([
        ("name", "testbench"),
        ("data-dir", &path(folder, "etcd")),
        ("listen-client-urls", &url),
        ("advertise-client-urls", &url),
        ("listen-peer-urls", &peer_url),
        ("initial-advertise-peer-urls", &peer_url),
        ("initial-cluster", &format!("testbench={peer_url}")),
        // Nobody reads this data after a power failure.
        ("unsafe-no-fsync", "true"),
        ("log-level", "error"),
    ])
}

fn apiserver_flags(folder: &Path, credentials: &Credentials, ports: &Ports) -> Vec<String> {
    flags([
        ("etcd-servers", &format!("http://127.0.0.1:{}", ports.etcd)),
        ("bind-address", "127.0.0.1"),
        ("advertise-address", "127.0.0.1"),
        ("secure-port", &ports.apiserver.to_string()),
        ("tls-cert-file", &shown(&credentials.serving_certificate)),
        ("tls-private-key-file", &shown(&credentials.serving_key)),
        // Where it would put certificates of its own, otherwise below the working directory.
        ("cert-dir", &path(folder, "certificates")),
        ("token-auth-file", &shown(&credentials.tokens)),
        ("authorization-mode", "RBAC"),
        // As OpenShift has it: without it, a missing right to set an owner's finalizers would show at users only.
        (
            "enable-admission-plugins",
            "OwnerReferencesPermissionEnforcement",
        ),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        ),
        (
            "service-account-signing-key-file",
            &shown(&credentials.service_account_key),
        ),
        (
            "service-account-key-file",
            &shown(&credentials.service_account_public_key),
        ),
        ("service-cluster-ip-range", "10.0.0.0/24"),
        // No other API server is to find this one.
        ("endpoint-reconciler-type", "none"),
        ("audit-policy-file", &path(folder, "audit-policy.yaml")),
        ("audit-log-path", &path(folder, AUDIT_LOG)),
        ("profiling", "false"),
    ])
}

fn controller_manager_flags(folder: &Path, credentials: &Credentials) -> Vec<String> {
    flags([
        ("kubeconfig", &path(folder, CONTROLLER_MANAGER_KUBECONFIG)),
        (
            "controllers",
            "garbage-collector-controller,namespace-controller,serviceaccount-controller,serviceaccount-token-controller",
        ),
        ("leader-elect", "false"),
        (
            "service-account-private-key-file",
            &shown(&credentials.service_account_key),
        ),
        ("root-ca-file", &shown(&credentials.ca)),
        // Nobody asks it anything, and a port less is one less to be taken.
        ("secure-port", "0"),
        // Its defaults spare an API server that others use; many tests at once would wait for garbage.
        ("kube-api-qps", "500"),
        ("kube-api-burst", "500"),
    ])
}

fn path(folder: &Path, name: &str) -> String {
    shown(&folder.join(name))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

//! The operator: watches Experiments and what they refer to, and keeps the cluster as they want it.
//!
//! [`run`] is all of it: a look at the cluster before anything starts, the controller, and a small HTTP server that says how it is.

mod backoff;
pub mod client;
mod conditions;
mod events;
pub mod experiment_controller;
pub mod kinds;
pub mod metrics;
pub mod plugin_controller;
pub mod plugins;
mod preflight;
pub mod raw;
pub mod rights;
mod server;
pub mod watch;
mod work;
mod write_status;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::channel::mpsc;
use kube::Client;
use testbench_core::config::PluginConfig;
use testbench_core::pipeline::Host;
use testbench_registry::InvalidRules;

use self::experiment_controller::reconcile::Context;
use self::experiment_controller::stores::Stores;
use self::kinds::Kind;
use self::metrics::Metrics;
use self::plugin_controller::PluginContext;
use self::plugin_controller::cache::{Cache, CacheError};
use self::plugin_controller::compile::Compiler;
use self::plugins::Plugins;
pub use self::preflight::PreflightError;
use self::watch::Namespaces;

/// How the operator runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where Experiments are served.
    pub namespaces: Namespaces,
    /// The operator's own namespace.
    pub operator_namespace: String,
    /// The only namespace in which Testkube looks for workflows.
    pub testkube_namespace: String,
    /// Where health and metrics are served over HTTP.
    pub listen: SocketAddr,
    /// What the administrator allows plugins.
    pub plugins: PluginConfig,
    /// Folder for components and their native code. Whoever can write to it can run code as the operator.
    pub cache_dir: PathBuf,
    /// Program and arguments of a process that calls [`plugin_controller::compile::run_child`].
    pub compiler: Vec<OsString>,
}

/// Why the operator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The cluster is not as it has to be.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The administrator's list of registries means nothing.
    #[error("the operator's --config file is wrong")]
    Registries(#[from] InvalidRules),
    /// There is no place for components.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The address is taken, or not this machine's.
    #[error("failed to listen on {address}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Now, as a status spells it: RFC 3339, in whole seconds.
fn now() -> String {
    k8s_openapi::jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Runs until `shutdown` is done; writes in hand are finished.
///
/// # Errors
///
/// What keeps it from starting. Once it runs, nothing ends it but `shutdown`.
pub async fn run(
    options: Options,
    client: Client,
    host: Host,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let Options {
        namespaces,
        operator_namespace,
        testkube_namespace,
        listen,
        plugins: config,
        cache_dir,
        compiler,
    } = options;
    let shutdown = shutdown.shared();
    tokio::select! {
        checked = preflight::check(&client, &namespaces) => checked?,
        () = shutdown.clone() => return Ok(()),
    }
    let registries = plugin_controller::fetch::registries(&config)?;
    let cache = Cache::open(&cache_dir, &host.engine.native_key())?;
    let further_kinds: Vec<_> = config.ceiling.kinds.iter().map(Kind::from).collect();
    let stores = Arc::new(Stores::new(
        &namespaces,
        &operator_namespace,
        &testkube_namespace,
        &further_kinds,
    ));
    let plugins = Arc::new(Plugins::new(host, &operator_namespace, config.tenants));
    let metrics = Arc::new(Metrics::default());
    let server = server::bind(listen, stores.clone(), metrics.clone()).await;
    let (address, server) = server.map_err(|source| RunError::Listen {
        address: listen,
        source,
    })?;
    tracing::info!(%address, "serving /healthz, /readyz and /metrics");
    let (concerned, experiments) = mpsc::unbounded();
    let (changed, phase_plugins) = mpsc::unbounded();
    let plugin_context = PluginContext {
        client: client.clone(),
        stores: stores.clone(),
        plugins: plugins.clone(),
        metrics: metrics.clone(),
        config,
        operator_namespace: operator_namespace.clone(),
        cache,
        compiler: Compiler::new(compiler),
        registries,
    };
    let context = Context {
        client,
        stores,
        metrics,
        plugins,
        operator_namespace,
        testkube_namespace,
    };
    let phase_plugins = plugin_controller::run(
        plugin_context,
        changed,
        phase_plugins,
        concerned.clone(),
        shutdown.clone(),
    );
    let experiments = experiment_controller::run(context, concerned, experiments, shutdown);
    let controllers = futures::future::join(experiments, phase_plugins);
    futures::pin_mut!(controllers, server);
    // The server ends with the controllers: while writes are finished, health is still answered.
    futures::future::select(controllers, server).await;
    Ok(())
}

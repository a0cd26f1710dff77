//! The operator: watches Experiments and what they refer to, and keeps the cluster as they want it.
//!
//! [`run`] is all of it: a look at the cluster before anything starts, the controller, and a small HTTP server that says how it is.

pub mod client;
pub mod experiment_controller;
pub mod kinds;
pub mod metrics;
mod preflight;
pub mod raw;
pub mod rights;
mod server;
pub mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt as _;
use kube::Client;
use testbench_core::pipeline::Host;

use self::experiment_controller::reconcile::Context;
use self::experiment_controller::stores::Stores;
use self::metrics::Metrics;
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
}

/// Why the operator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The cluster is not as it has to be.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
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

/// Runs until `shutdown` is done; writes in hand are finished.
///
/// # Errors
///
/// What keeps it from starting. Once it runs, nothing ends it but `shutdown`.
pub async fn run(
    options: Options,
    client: Client,
    host: Host,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let Options {
        namespaces,
        operator_namespace,
        testkube_namespace,
        listen,
    } = options;
    let shutdown = shutdown.shared();
    tokio::select! {
        checked = preflight::check(&client, &namespaces) => checked?,
        () = shutdown.clone() => return Ok(()),
    }
    let stores = Arc::new(Stores::new(
        &namespaces,
        &operator_namespace,
        &testkube_namespace,
    ));
    let metrics = Arc::new(Metrics::default());
    let server = server::bind(listen, stores.clone(), metrics.clone()).await;
    let (address, server) = server.map_err(|source| RunError::Listen {
        address: listen,
        source,
    })?;
    tracing::info!(%address, "serving /healthz, /readyz and /metrics");
    let context = Context {
        client,
        stores,
        metrics,
        host,
        operator_namespace,
        testkube_namespace,
    };
    let controller = experiment_controller::run(context, shutdown);
    futures::pin_mut!(controller, server);
    // The server ends with the controller: while writes are finished, health is still answered.
    futures::future::select(controller, server).await;
    Ok(())
}

//! How the operator is, over HTTP: `/healthz` while it runs, `/readyz` once it knows the cluster.

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use futures::FutureExt as _;
use tokio::net::TcpListener;

use crate::experiment_controller::stores::Stores;

/// Binds `address`; the future serves for as long as it is polled.
pub(crate) async fn bind(
    address: SocketAddr,
    stores: Arc<Stores>,
) -> std::io::Result<impl Future<Output = ()>> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /healthz and /readyz");
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(stores);
    // It ends with an error only where accepting does, which axum retries.
    Ok(axum::serve(listener, router).into_future().map(drop))
}

async fn readyz(State(stores): State<Arc<Stores>>) -> (StatusCode, String) {
    let pending = stores.pending_kinds();
    if pending.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let kinds: Vec<_> = pending.iter().map(|kind| kind.kind).collect();
    let message = format!("not yet listed: {}\n", kinds.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, message)
}

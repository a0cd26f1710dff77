//! How the operator is, over HTTP: `/healthz` while it runs, `/readyz` once it knows the cluster, `/metrics`.

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::FutureExt as _;
use tokio::net::TcpListener;

use crate::experiment_controller::stores::Stores;
use crate::metrics::Metrics;

/// What Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds `address`, and says which it got; the future serves for as long as it is polled.
pub(crate) async fn bind(
    address: SocketAddr,
    stores: Arc<Stores>,
    metrics: Arc<Metrics>,
) -> std::io::Result<(SocketAddr, impl Future<Output = ()>)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz).with_state(stores))
        .route("/metrics", get(metrics_text).with_state(metrics));
    // It ends with an error only where accepting does, which axum retries.
    Ok((
        address,
        axum::serve(listener, router).into_future().map(drop),
    ))
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

async fn metrics_text(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::watch::Namespaces;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_is_healthy_at_once_and_ready_once_it_knows_the_cluster() {
        let stores = Arc::new(Stores::new(&Namespaces::All, "own", "testkube", &[]));
        let local = ([127, 0, 0, 1], 0).into();
        let (address, serve) = bind(local, stores, Arc::default()).await.unwrap();
        let asked = async {
            let mut answers = Vec::new();
            for path in ["/healthz", "/readyz", "/metrics"] {
                answers.push(get(address, path).await);
            }
            answers
        };
        let answers = tokio::select! {
            () = serve => Vec::new(),
            answers = asked => answers,
        };
        assert!(answers[0].starts_with("HTTP/1.1 200"), "{}", answers[0]);
        assert!(answers[1].starts_with("HTTP/1.1 503"), "{}", answers[1]);
        assert!(
            answers[1].contains("not yet listed: Experiment"),
            "{}",
            answers[1]
        );
        assert!(answers[2].contains(OPEN_METRICS), "{}", answers[2]);
    }
}

//! The operator as a process for tests to kill: what `testbench controller` runs, with the bundled plugins and the client of
//! `KUBECONFIG`. One that dies after a write does so in the moment in which the API server answers it, before anybody learns of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task;

use clap::Parser;
use http::{Method, Request};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use rustix::process::{Signal, getpid, kill_process};
use testbench_core::config::Config as Administration;
use testbench_core::error::with_causes;
use testbench_operator::client::configured;
use testbench_operator::plugin_controller::compile::run_child;
use testbench_operator::watch::Namespaces;
use testbench_operator::{Options, run};
use testbench_tests::bundled_host;
use tokio::signal::unix::{SignalKind, signal};
use tower::{BoxError, Service, layer::layer_fn};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    operator_namespace: String,
    #[arg(long)]
    testkube_namespace: String,
    /// All where it is not given.
    #[arg(long)]
    watch_namespace: Option<String>,
    /// With SIGKILL.
    #[arg(long, default_value_t = usize::MAX)]
    die_after_writes: usize,
    /// What the administrator allows, as in the file.
    #[arg(long, default_value = "")]
    config: String,
    #[arg(long)]
    cache_dir: Option<PathBuf>,
}

/// How this process is told to compile a component, and nothing else.
const COMPILE: &str = "compile";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let [_, command, wasm, native] = arguments.as_slice()
        && command == COMPILE
    {
        return ExitCode::from(run_child(Path::new(wasm), Path::new(native)));
    }
    match operate(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_causes(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

async fn operate(arguments: Arguments) -> Result<(), BoxError> {
    let config = configured(Config::infer().await?);
    let writes = Arc::new(AtomicUsize::new(arguments.die_after_writes));
    let mortal = layer_fn(|inner| Mortal {
        inner,
        writes: writes.clone(),
    });
    let client: Client = ClientBuilder::try_from(config)?.with_layer(&mortal).build();
    let cache = tempfile::tempdir()?;
    let options = Options {
        namespaces: arguments
            .watch_namespace
            .map_or(Namespaces::All, |name| Namespaces::Named(vec![name])),
        operator_namespace: arguments.operator_namespace,
        testkube_namespace: arguments.testkube_namespace,
        listen: ([127, 0, 0, 1], 0).into(),
        plugins: Administration::parse(&arguments.config)?.plugins,
        cache_dir: arguments
            .cache_dir
            .unwrap_or_else(|| cache.path().to_owned()),
        compiler: vec![std::env::current_exe()?.into_os_string(), COMPILE.into()],
    };
    let mut term = signal(SignalKind::terminate())?;
    let stopped = async move {
        term.recv().await;
    };
    Ok(run(options, client, bundled_host().await?, stopped).await?)
}

/// Kills this process when it has written so often.
struct Mortal<S> {
    inner: S,
    writes: Arc<AtomicUsize>,
}

impl<S> Service<Request<Body>> for Mortal<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures::future::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // A question what it may do changes nothing.
        let is_question = request.uri().path().ends_with("/selfsubjectaccessreviews");
        let is_write = request.method() != Method::GET && !is_question;
        let (answer, writes) = (self.inner.call(request), self.writes.clone());
        Box::pin(async move {
            let answer = answer.await;
            if is_write && writes.fetch_sub(1, Ordering::Relaxed) == 1 {
                let _ = kill_process(getpid(), Signal::KILL);
            }
            answer
        })
    }
}

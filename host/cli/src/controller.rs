use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use kube::{Client, Config};
use testbench_core::pipeline::Host;
use testbench_engine::{Engine, EngineOptions};
use testbench_operator::client::configured;
use testbench_operator::watch::Namespaces;
use testbench_operator::{Options, run as run_operator};
use tracing_subscriber::EnvFilter;

use crate::config::ConfigArgs;
use crate::{CommandError, Verdict, compile, failed, plugins};

/// Run the operator: keep the cluster as its Experiments want it.
///
/// The cluster is the one of the pod, or of the kubeconfig. Ends on SIGTERM or SIGINT, after writes in hand; exit code 2 where it
/// cannot start, with what to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Namespaces whose Experiments are served, separated by commas; all where it is not set.
    #[arg(
        long,
        value_name = "NAMESPACES",
        value_delimiter = ',',
        env = "TESTBENCH_WATCH_NAMESPACES"
    )]
    watch_namespaces: Vec<String>,
    /// The operator's own namespace: its ConfigMap `otel-config` serves where an Experiment has none beside it.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "testbench-system",
        env = "TESTBENCH_OPERATOR_NAMESPACE"
    )]
    operator_namespace: String,
    /// The only namespace in which Testkube looks for workflows; the operator's own where it is not set.
    #[arg(long, value_name = "NAMESPACE", env = "TESTBENCH_TESTKUBE_NAMESPACE")]
    testkube_namespace: Option<String>,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080",
        env = "TESTBENCH_LISTEN"
    )]
    listen: SocketAddr,
    /// What is logged: error, warn, info, debug or trace, also for single modules: `info,testbench_operator=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "info",
        env = "TESTBENCH_LOG"
    )]
    log: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "TESTBENCH_LOG_FORMAT")]
    log_format: LogFormat,
    /// Folder with components: `<slot>.wasm` takes the place of the bundled plugin of that slot.
    #[arg(long, value_name = "DIR", env = "TESTBENCH_PLUGINS_DIR")]
    plugins_dir: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Folder in which fetched components and their native code outlast a restart; whoever can write to it can run code as the operator.
    /// Without it, they last as long as this process.
    #[arg(long, value_name = "DIR", env = "TESTBENCH_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(crate) fn run(args: Args) -> Result<Verdict, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(control(args))
}

async fn control(args: Args) -> Result<Verdict, CommandError> {
    let Args {
        watch_namespaces,
        operator_namespace,
        testkube_namespace,
        listen,
        log,
        log_format,
        plugins_dir,
        config,
        cache_dir,
    } = args;
    start_log(&log, log_format)?;
    let config = config.read()?.plugins;
    let client = client().await?;
    let engine = Engine::new(EngineOptions::default()).map_err(failed)?;
    let catalog = plugins::catalog(&engine, &config, plugins_dir.as_deref()).await?;
    let program = std::env::current_exe().map_err(failed)?;
    let cache = CacheDir::of(cache_dir)?;
    let options = Options {
        namespaces: namespaces(&watch_namespaces),
        // An empty variable is one that is not set.
        testkube_namespace: testkube_namespace
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| operator_namespace.clone()),
        operator_namespace,
        listen,
        plugins: config,
        cache_dir: cache.path().to_owned(),
        compiler: vec![program.into_os_string(), compile::NAME.into()],
    };
    let shutdown = shutdown().map_err(failed)?;
    run_operator(options, client, Host::new(engine, catalog), shutdown)
        .await
        .map_err(failed)?;
    Ok(Verdict::Good)
}

/// Each once, whatever the list looks like; none is all.
fn namespaces(names: &[String]) -> Namespaces {
    let names: BTreeSet<_> = names
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        Namespaces::All
    } else {
        Namespaces::Named(names.into_iter().collect())
    }
}

/// Where components are kept.
enum CacheDir {
    Given(PathBuf),
    /// Removed with this process.
    Temporary(tempfile::TempDir),
}

impl CacheDir {
    fn of(given: Option<PathBuf>) -> Result<Self, CommandError> {
        // An empty variable is one that is not set.
        match given.filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => Ok(Self::Given(dir)),
            None => tempfile::tempdir().map(Self::Temporary).map_err(|error| {
                failed(format!(
                    "failed to make a temporary folder for components: {error}; name one with --cache-dir"
                ))
            }),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

async fn client() -> Result<Client, CommandError> {
    let config = Config::infer().await.map_err(|error| {
        failed(format!(
            "failed to find a cluster: {error}; run in a pod, or set KUBECONFIG"
        ))
    })?;
    Client::try_from(configured(config)).map_err(failed)
}

fn start_log(filter: &str, format: LogFormat) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| failed(format!("--log: {error}; for example `info`")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

/// Done on the first SIGTERM or SIGINT.
fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => tracing::info!("SIGTERM: finishing the writes in hand"),
            _ = interrupt.recv() => tracing::info!("SIGINT: finishing the writes in hand"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_namespaces_is_taken_as_it_is_meant() {
        let named = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            namespaces(&names)
        };
        assert_eq!(named(&[]), Namespaces::All);
        assert_eq!(named(&[""]), Namespaces::All);
        let two = Namespaces::Named(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(named(&["b", " a", "b", ""]), two);
    }
}

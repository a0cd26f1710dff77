use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use futures::StreamExt as _;
use futures::stream;
use testbench_core::pipeline::{Desired, Host};
use testbench_core::render::{Located, Manifests, PluginFiles, RenderError, Renderer, Source};
use testbench_core::yaml;
use testbench_engine::{Engine, EngineOptions};

use crate::config::ConfigArgs;
use crate::{CommandError, Verdict, failed, plugins};

/// Experiments that are rendered at the same time; the engine decides how many of their plugins run.
const AT_ONCE: usize = 64;

/// Print the objects that the cluster would get from Experiments in files, without a cluster.
///
/// The files may also hold what Experiments refer to: Agents, AiGateways, ConfigMaps, TestWorkflowTemplates, and PhasePlugins. What is
/// not in them does not exist; only of templates, files without any say nothing.
/// Objects go to standard output, everything else to standard error. Exit code 0: all rendered; 1: an Experiment is invalid;
/// 2: bad usage, or an unreadable file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File or folder with manifests, or `-` for standard input. May be given several times.
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    filename: Vec<PathBuf>,
    /// The namespace of objects that name none, as with `kubectl apply -n`.
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// How to print objects.
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
    /// Folder with components: `<slot>.wasm` takes the place of the bundled plugin of that slot.
    #[arg(long, value_name = "DIR")]
    plugins_dir: Option<PathBuf>,
    /// A component in place of the one that the PhasePlugin NAME of the files names. Without such a PhasePlugin it is a phase behind
    /// `visualize`, in all Experiments; NAME is then by default what the component calls itself. May be given several times.
    #[arg(long = "plugin", value_name = "[NAME=]FILE")]
    plugins: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// The namespace that the operator would run in: its ConfigMap `otel-config` serves where an Experiment has none beside it.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "testbench-system",
        env = "TESTBENCH_OPERATOR_NAMESPACE"
    )]
    operator_namespace: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// YAML documents.
    Yaml,
    /// One JSON object of kind List.
    Json,
}

pub(crate) fn run(args: Args) -> Result<Verdict, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .map_err(failed)?;
    runtime.block_on(render(args))
}

async fn render(args: Args) -> Result<Verdict, CommandError> {
    let Args {
        filename,
        namespace,
        output,
        plugins_dir,
        plugins: given,
        config,
        operator_namespace,
    } = args;
    let config = config.read()?;
    let sources = read_all(&filename)?;
    let Manifests {
        experiments,
        phase_plugins,
        references,
        unused,
    } = Manifests::read_in(&namespace, &sources).map_err(failed)?;
    for remark in unused {
        eprintln!("info: {remark}");
    }
    if experiments.is_empty() {
        return Err(failed(
            "there is no Experiment in the given files; name one with -f",
        ));
    }
    let engine = Engine::new(EngineOptions::default()).map_err(failed)?;
    let catalog = plugins::catalog(&engine, &config.plugins, plugins_dir.as_deref()).await?;
    let host = Host::new(engine, catalog);
    let files = PluginFiles {
        host: &host,
        config: &config.plugins,
        references: &references,
        operator_namespace: &operator_namespace,
    };
    let given = plugins::given(&given)?;
    let custom = files.read(phase_plugins, given).await.map_err(failed)?;
    let renderer = Renderer::new(host, references, &operator_namespace).map_err(failed)?;
    let renderer = Arc::new(Renderer {
        custom,
        config,
        ..renderer
    });
    for remark in renderer.unused_plugins() {
        eprintln!("info: {remark}");
    }
    let rendered = render_in_order(&renderer, experiments).await?;
    let verdict = if rendered.iter().all(|(_, result)| result.is_ok()) {
        Verdict::Good
    } else {
        Verdict::Invalid
    };
    for (title, result) in &rendered {
        report(title, result);
    }
    let objects = rendered
        .iter()
        .filter_map(|(_, result)| result.as_ref().ok())
        .flat_map(|desired| &desired.objects);
    print(objects.map(|object| &object.manifest).collect(), output)?;
    Ok(verdict)
}

type Rendered = (String, Result<Desired, RenderError>);

/// Side by side on all cores, results in the order of the files.
async fn render_in_order(
    renderer: &Arc<Renderer>,
    experiments: Vec<Located>,
) -> Result<Vec<Rendered>, CommandError> {
    let tasks = experiments.into_iter().map(|experiment| {
        let renderer = renderer.clone();
        async move {
            let title = experiment.title();
            let task = tokio::spawn(async move { renderer.render(experiment.manifest).await });
            task.await.map(|result| (title, result)).map_err(failed)
        }
    });
    let finished: Vec<_> = stream::iter(tasks).buffered(AT_ONCE).collect().await;
    finished.into_iter().collect()
}

/// What a user should know of one Experiment, beside its objects.
fn report(title: &str, result: &Result<Desired, RenderError>) {
    match result {
        Ok(desired) => desired
            .remarks()
            .for_each(|remark| eprintln!("{title}: {remark}")),
        Err(error) => {
            eprintln!("error: {title}:");
            error
                .explain()
                .lines()
                .for_each(|line| eprintln!("  {line}"));
        }
    }
}

fn print(objects: Vec<&serde_json::Value>, output: Output) -> Result<(), CommandError> {
    let text = match output {
        Output::Yaml => yaml::documents(objects).map_err(failed)?,
        Output::Json => {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
            serde_json::to_string_pretty(&list).map_err(failed)? + "\n"
        }
    };
    crate::print(&text)
}

fn read_all(names: &[PathBuf]) -> Result<Vec<Source>, CommandError> {
    let mut sources = Vec::new();
    for name in names {
        if name.as_os_str() == "-" {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| failed(format!("failed to read standard input: {error}")))?;
            sources.push(Source {
                name: "-".to_owned(),
                text,
            });
        } else {
            let files = if name.is_dir() {
                manifests_in(name)?
            } else {
                vec![name.clone()]
            };
            for file in files {
                sources.push(read(&file)?);
            }
        }
    }
    Ok(sources)
}

fn read(file: &Path) -> Result<Source, CommandError> {
    let text = std::fs::read_to_string(file);
    let text =
        text.map_err(|error| failed(format!("failed to read {}: {error}", file.display())))?;
    Ok(Source {
        name: file.display().to_string(),
        text,
    })
}

/// As `kubectl apply -f DIR`: the YAML and JSON files of the folder, not below it, in the order of their names.
fn manifests_in(dir: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let unreadable = |error| failed(format!("failed to read {}: {error}", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(unreadable)?;
    let files: Result<Vec<_>, _> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let is_manifest = |file: &PathBuf| {
        let extension = file.extension().and_then(|extension| extension.to_str());
        file.is_file() && matches!(extension, Some("yaml" | "yml" | "json"))
    };
    let mut files: Vec<_> = files
        .map_err(unreadable)?
        .into_iter()
        .filter(is_manifest)
        .collect();
    files.sort();
    Ok(files)
}

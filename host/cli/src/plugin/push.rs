use std::path::PathBuf;

use clap::ArgGroup;
use serde_json::{Value, json};
use testbench_core::experiment::API_VERSION;
use testbench_core::yaml;
use testbench_registry::Artifact;

use super::registry::{RegistryArgs, reference, refused};
use super::{built_in, load};
use crate::{CommandError, Verdict, failed};

/// Store a component in a registry, and print the PhasePlugin that names it by digest.
///
/// It is loaded first: what no operator could run is not stored.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("place").args(["after", "before", "replaces"]))]
pub(crate) struct Args {
    /// Where to: `registry.example/team/phase:1.0`.
    reference: String,
    /// The component; the newest that a build has left in this folder, where it is not set.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The phase behind which it stands in the chain.
    #[arg(long, value_name = "PHASE")]
    after: Option<String>,
    /// The phase before which it stands.
    #[arg(long, value_name = "PHASE")]
    before: Option<String>,
    /// The bundled phase whose place it takes, in all Experiments.
    #[arg(long, value_name = "PHASE")]
    replaces: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: Args) -> Result<Verdict, CommandError> {
    let component = match &args.component {
        Some(file) => file.clone(),
        None => built_in(&std::env::current_dir().map_err(failed)?)?,
    };
    let subject = load(&component).await?;
    let plugin = subject.plugin();
    let wasm = std::fs::read(&component)
        .map_err(|error| failed(format!("failed to read {}: {error}", component.display())))?;
    let reference = reference(&args.reference)?;
    let client = args.registry.client(&reference)?;
    let credentials = args.registry.credentials(&reference)?;
    let artifact = Artifact {
        wasm,
        exports: vec![plugin.generator().to_owned()],
        imports: plugin.imports().to_vec(),
        ..Artifact::default()
    };
    let pushed = client.push(&reference, &credentials, artifact).await;
    let digest = pushed.map_err(|error| refused(&error))?;
    let pinned = reference.pinned(digest).to_string();
    eprintln!("stored {pinned}");
    let document = phase_plugin(&plugin.descriptor().name, &pinned, &args);
    crate::print(&yaml::to_yaml(&document).map_err(failed)?)?;
    Ok(Verdict::Good)
}

fn phase_plugin(name: &str, reference: &str, args: &Args) -> Value {
    let mut spec = json!({"source": {"oci": {"reference": reference}}});
    for (key, phase) in [
        ("after", &args.after),
        ("before", &args.before),
        ("replaces", &args.replaces),
    ] {
        if let Some(phase) = phase {
            spec["placement"] = json!({key: phase});
        }
    }
    if args.replaces.is_some() {
        spec["experimentSelector"] = json!({});
    }
    json!({
        "apiVersion": API_VERSION,
        "kind": "PhasePlugin",
        "metadata": {"name": name},
        "spec": spec,
    })
}

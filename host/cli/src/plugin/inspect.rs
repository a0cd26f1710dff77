use std::path::Path;

use serde_json::json;
use testbench_core::error::with_causes;
use testbench_core::yaml;
use testbench_engine::{Descriptor, Engine, EngineOptions, Gvk, Plugin};

use super::registry::{RegistryArgs, reference, refused};
use super::{load, megabytes};
use crate::{CommandError, Verdict, failed};

/// Say what a component is: what it says of itself, what it imports, its size and digest; or why it is no plugin.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component: a file, or where it is in a registry.
    #[arg(value_name = "FILE|REFERENCE")]
    component: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: Args) -> Result<Verdict, CommandError> {
    let file = Path::new(&args.component);
    // What is there is meant; what looks like a reference would be an odd name of a file.
    let plugin = if file.exists() || !args.component.contains(':') {
        load(file).await?.plugin().clone()
    } else {
        from_registry(&args).await?
    };
    let Descriptor {
        name,
        version,
        settings_schema,
        inputs,
        creates,
    } = plugin.descriptor();
    let creates: Vec<_> = creates
        .iter()
        .map(|Gvk { api_version, kind }| format!("{api_version} {kind}"))
        .collect();
    let document = json!({
        "descriptor": {
            "name": name,
            "version": version,
            "inputs": inputs,
            "creates": creates,
            "settingsSchema": settings_schema,
        },
        "digest": plugin.digest(),
        "exports": [plugin.generator()],
        "contract": plugin.contract(),
        "imports": plugin.imports(),
        "size": format!("{} ({} bytes)", megabytes(plugin.size()), plugin.size()),
    });
    crate::print(&yaml::to_yaml(&document).map_err(failed)?)?;
    Ok(Verdict::Good)
}

async fn from_registry(args: &Args) -> Result<Plugin, CommandError> {
    let reference = reference(&args.component)?;
    let client = args.registry.client(&reference)?;
    let credentials = args.registry.credentials(&reference)?;
    let manifest = client.resolve(&reference, &credentials).await;
    let manifest = manifest.map_err(|error| refused(&error))?;
    let wasm = client
        .fetch(&reference, &credentials, &manifest.layer)
        .await;
    let wasm = wasm.map_err(|error| refused(&error))?;
    let engine = Engine::new(EngineOptions::default()).map_err(failed)?;
    let loaded = engine.load(&wasm).await;
    loaded.map_err(|error| failed(format!("{reference}: {}", with_causes(&error))))
}

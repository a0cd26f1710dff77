use std::path::PathBuf;

use serde_json::json;
use testbench_core::yaml;
use testbench_engine::{Descriptor, GENERATOR, Gvk};

use super::{load, megabytes};
use crate::{CommandError, Verdict, failed};

/// Say what a component is: what it says of itself, what it imports, its size and digest; or why it is no plugin.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The component.
    file: PathBuf,
}

pub(super) async fn run(Args { file }: Args) -> Result<Verdict, CommandError> {
    let plugin = load(&file).await?;
    let plugin = plugin.plugin();
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
        "exports": [GENERATOR],
        "imports": plugin.imports(),
        "size": format!("{} ({} bytes)", megabytes(plugin.size()), plugin.size()),
    });
    crate::print(&yaml::to_yaml(&document).map_err(failed)?)?;
    Ok(Verdict::Good)
}

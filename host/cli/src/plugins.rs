//! The plugins that a command works with: the bundled ones, and those that a folder gives in their place.

use std::borrow::Cow;
use std::path::Path;

use testbench_core::config::PluginConfig;
use testbench_core::render::GivenComponent;
use testbench_core::slots::{Catalog, Component};
use testbench_engine::Engine;

use crate::{CommandError, failed};

/// The bundled plugins; `<slot>.wasm` in `dir` takes the place of the bundled one.
pub(crate) async fn catalog(
    engine: &Engine,
    config: &PluginConfig,
    dir: Option<&Path>,
) -> Result<Catalog, CommandError> {
    let bundled = testbench_bundle::bundled().iter().map(|bundled| Component {
        slot: bundled.phase.to_owned(),
        origin: "bundled".to_owned(),
        wasm: Cow::Borrowed(bundled.wasm),
    });
    let replacements = dir.map(components_in).transpose()?.unwrap_or_default();
    Catalog::load(engine, config, bundled.chain(replacements))
        .await
        .map_err(failed)
}

/// Every `<slot>.wasm` in `dir`.
fn components_in(dir: &Path) -> Result<Vec<Component>, CommandError> {
    let unreadable = |error| {
        failed(format!(
            "failed to read plugins from {}: {error}",
            dir.display()
        ))
    };
    let mut components = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            components.push(Component {
                slot: file
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                origin: file.display().to_string(),
                wasm: Cow::Owned(std::fs::read(&file).map_err(unreadable)?),
            });
        }
    }
    Ok(components)
}

/// Components that are given by hand, as `[NAME=]FILE`.
pub(crate) fn given(arguments: &[String]) -> Result<Vec<GivenComponent>, CommandError> {
    let read = |argument: &String| {
        let (name, file) = match argument.split_once('=') {
            Some((name, file)) => (Some(name.to_owned()), file),
            None => (None, argument.as_str()),
        };
        let wasm = std::fs::read(file)
            .map_err(|error| failed(format!("failed to read --plugin {file}: {error}")))?;
        Ok(GivenComponent {
            name,
            origin: file.to_owned(),
            wasm,
        })
    };
    arguments.iter().map(read).collect()
}

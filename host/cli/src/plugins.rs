//! The plugins that a command works with: the bundled ones, and those that a folder gives in their place.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use futures::future::try_join_all;
use testbench_core::slots::{Catalog, RegisterError, Registered, SLOTS};
use testbench_engine::{Engine, LoadError};

/// Why there are no plugins to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginsError {
    #[error("failed to read plugins from {dir}")]
    Dir {
        dir: PathBuf,
        source: std::io::Error,
    },
    #[error("{file}: there is no slot `{slot}` to put it into; there are {}", SLOTS.join(", "))]
    Slot { file: PathBuf, slot: String },
    #[error("failed to load the plugin {origin}")]
    Load { origin: String, source: LoadError },
    #[error("failed to use the plugin {origin}")]
    Register {
        origin: String,
        source: RegisterError,
    },
}

/// A component, before it is loaded.
struct Component {
    slot: String,
    origin: String,
    wasm: Cow<'static, [u8]>,
}

/// The bundled plugins; `<slot>.wasm` in `dir` takes the place of the bundled one.
pub(crate) async fn catalog(engine: &Engine, dir: Option<&Path>) -> Result<Catalog, PluginsError> {
    let mut components: Vec<_> = testbench_bundle::bundled()
        .iter()
        .map(|bundled| Component {
            slot: bundled.phase.to_owned(),
            origin: format!("{} (bundled)", bundled.phase),
            wasm: Cow::Borrowed(bundled.wasm),
        })
        .collect();
    for replacement in dir.map(from_dir).transpose()?.unwrap_or_default() {
        components.retain(|component| component.slot != replacement.slot);
        components.push(replacement);
    }
    let loads = components
        .into_iter()
        .map(|Component { slot, origin, wasm }| async move {
            let loaded = engine.load(&wasm).await;
            let plugin = loaded.map_err(|source| PluginsError::Load {
                origin: origin.clone(),
                source,
            })?;
            let registered = Registered::bundled(&slot, plugin);
            Ok((
                slot,
                registered.map_err(|source| PluginsError::Register { origin, source })?,
            ))
        });
    let mut catalog = Catalog::default();
    for (slot, plugin) in try_join_all(loads).await? {
        catalog.set(&slot, plugin);
    }
    Ok(catalog)
}

/// Every `<slot>.wasm` in `dir`.
fn from_dir(dir: &Path) -> Result<Vec<Component>, PluginsError> {
    let unreadable = |source| PluginsError::Dir {
        dir: dir.to_owned(),
        source,
    };
    let mut components = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let slot = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !SLOTS.contains(&slot.as_str()) {
            return Err(PluginsError::Slot { file, slot });
        }
        let wasm = std::fs::read(&file).map_err(unreadable)?;
        components.push(Component {
            slot,
            origin: file.display().to_string(),
            wasm: Cow::Owned(wasm),
        });
    }
    Ok(components)
}

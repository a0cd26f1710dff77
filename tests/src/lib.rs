//! What tests of the parts together share.

#[cfg(feature = "control-plane")]
pub mod control_plane;

use std::borrow::Cow;
use std::path::PathBuf;

use testbench_core::config::PluginConfig;
use testbench_core::pipeline::Host;
use testbench_core::slots::{Catalog, CatalogError, Component};
use testbench_engine::{Engine, EngineError, EngineOptions};

/// Why there is no host to test.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A bundled plugin that does not load.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// A host with the bundled plugins, as built.
///
/// # Errors
///
/// Where a bundled plugin does not load.
pub async fn bundled_host() -> Result<Host, HostError> {
    bundled_host_of(EngineOptions::default()).await
}

/// As [`bundled_host`], with an engine of another size.
///
/// # Errors
///
/// Where a bundled plugin does not load.
pub async fn bundled_host_of(options: EngineOptions) -> Result<Host, HostError> {
    host(options, &[]).await
}

/// A host with the bundled plugins but in `slots`, whose plugin contributes what its settings say.
///
/// # Errors
///
/// Where a plugin does not load.
pub async fn echoing_host(slots: &[&str]) -> Result<Host, HostError> {
    host(EngineOptions::default(), slots).await
}

async fn host(options: EngineOptions, echoing: &[&str]) -> Result<Host, HostError> {
    let engine = Engine::new(options)?;
    let bundled = testbench_bundle::bundled()
        .iter()
        .map(|bundled| (bundled.phase, bundled.wasm));
    let echoes = echoing
        .iter()
        .map(|slot| (*slot, testbench_test_guests::ECHO));
    let components = bundled.chain(echoes).map(|(slot, wasm)| Component {
        slot: slot.to_owned(),
        origin: "built for this test".to_owned(),
        wasm: Cow::Borrowed(wasm),
    });
    let catalog = Catalog::load(&engine, &PluginConfig::default(), components).await?;
    Ok(Host::new(engine, catalog))
}

/// A folder of this package.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

//! From a component's bytes to a plugin: compiled once for each digest, also across restarts.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use testbench_core::error::with_causes;
use testbench_engine::{Engine, Plugin, digest};

use super::cache::Cache;
use super::compile::Compiler;
use super::outcome::{PluginFailure, Step};

/// Digests whose refusal is remembered; the next one makes room by forgetting all.
const REMEMBERED: usize = 1024;

/// Loads components.
#[derive(Debug)]
pub(super) struct Loader {
    engine: Engine,
    cache: Cache,
    compiler: Compiler,
    /// By digest.
    loaded: Mutex<HashMap<String, Plugin>>,
    /// By digest: to compile it again would end the same way.
    refused: Mutex<HashMap<String, PluginFailure>>,
}

impl Loader {
    pub(super) fn new(engine: Engine, cache: Cache, compiler: Compiler) -> Self {
        Self {
            engine,
            cache,
            compiler,
            loaded: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The plugin that `wasm` is.
    pub(super) async fn load(&self, wasm: &[u8]) -> Result<Plugin, PluginFailure> {
        let digest = digest(wasm);
        if let Some(known) = self.known(&digest) {
            return known;
        }
        let component = self.cache.component(&digest);
        if !component.exists() {
            self.cache.keep(&digest, wasm).map_err(|error| {
                let message = format!("failed to keep the component: {error}");
                PluginFailure::transient(Step::Fetch, "FetchFailed", message)
            })?;
        }
        self.load_file(&digest, &component, wasm.len()).await
    }

    /// The plugin with this digest, or why it is none; `None` where it is not in the cache.
    pub(super) async fn load_cached(&self, digest: &str) -> Option<Result<Plugin, PluginFailure>> {
        if let Some(known) = self.known(digest) {
            return Some(known);
        }
        let component = self.cache.component(digest);
        let wasm = tokio::fs::read(&component).await.ok()?;
        // Whatever has become of the disk, what runs is what the digest says.
        if testbench_engine::digest(&wasm) != digest {
            return None;
        }
        Some(self.load_file(digest, &component, wasm.len()).await)
    }

    fn known(&self, digest: &str) -> Option<Result<Plugin, PluginFailure>> {
        if let Some(plugin) = lock(&self.loaded).get(digest) {
            return Some(Ok(plugin.clone()));
        }
        let refused = lock(&self.refused).get(digest).cloned()?;
        Some(Err(refused))
    }

    async fn load_file(
        &self,
        digest: &str,
        component: &Path,
        size: usize,
    ) -> Result<Plugin, PluginFailure> {
        let native = self.cache.native(digest);
        if !native.exists() {
            let compiled = self.compiler.compile(component, &native).await;
            compiled.map_err(|why| self.refuse(digest, failed_to_compile(&why)))?;
        }
        match self.engine.load_native(digest, size, &native).await {
            Ok(plugin) => {
                lock(&self.loaded).insert(digest.to_owned(), plugin.clone());
                Ok(plugin)
            }
            Err(error) => {
                tracing::info!(
                    digest,
                    error = with_causes(&error),
                    "a component is refused"
                );
                Err(self.refuse(digest, PluginFailure::from(&error)))
            }
        }
    }

    fn refuse(&self, digest: &str, failure: PluginFailure) -> PluginFailure {
        let mut refused = lock(&self.refused);
        if refused.len() >= REMEMBERED {
            refused.clear();
        }
        refused.insert(digest.to_owned(), failure.clone());
        failure
    }

    /// Forgets plugins that nothing serves any more; those in use live on with their users.
    pub(super) fn retain(&self, is_used: impl Fn(&str) -> bool) {
        lock(&self.loaded).retain(|digest, _| is_used(digest));
    }
}

/// The compiler's own words name what it found.
fn failed_to_compile(why: &str) -> PluginFailure {
    let reason = if why.starts_with("expected a WebAssembly component") {
        "NotAComponent"
    } else {
        "CompileFailed"
    };
    PluginFailure::lasting(Step::Check, reason, why)
}

fn lock<T>(map: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while it was locked leaves the map whole: every change is one insertion or removal.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

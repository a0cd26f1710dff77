//! Native code, made ahead: by a process that may be stopped, where compiling in this one could not be.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use wasmtime::InstanceAllocationStrategy;
use wasmtime::component::Component;

use crate::engine::{Engine, config};
use crate::error::LoadError;
use crate::load::{Plugin, check_is_component};

/// Compiles `wasm` for [`Engine::load_native`]. It runs nothing of it; it can take as long, and as much memory, as whoever made the
/// component wants: call it where that can be limited.
///
/// # Errors
///
/// Where it is no component, or does not compile.
pub fn compile(wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
    check_is_component(wasm)?;
    let failed = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
    // How guests get their memory is no part of native code, and a pool would take more address space than this may have.
    let config = config(InstanceAllocationStrategy::OnDemand);
    let engine = wasmtime::Engine::new(&config).map_err(failed)?;
    engine.precompile_component(wasm).map_err(failed)
}

impl Engine {
    /// Names the native code that this engine takes: another version, configuration or processor gives another key.
    #[must_use]
    pub fn native_key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.inner
            .wasmtime
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// As [`Engine::load`], with the native code in `file`, which [`compile`] made of the component with this digest and size.
    ///
    /// The file must be this program's own work, untouched by anybody else: native code runs without a sandbox of its own. It is
    /// mapped into memory, so it must not be written again while the plugin lives; to replace or remove it does no harm.
    ///
    /// # Errors
    ///
    /// Where the file is not for this engine, and as [`Engine::load`].
    pub async fn load_native(
        &self,
        digest: &str,
        size: usize,
        file: &Path,
    ) -> Result<Plugin, LoadError> {
        let (engine, path) = (self.inner.wasmtime.clone(), file.to_owned());
        let read = move || {
            #[allow(
                unsafe_code,
                reason = "the caller vouches for the file; nothing else can"
            )]
            // SAFETY: the file is what `compile` of this very program made, by this function's contract.
            unsafe {
                Component::deserialize_file(&engine, path)
            }
        };
        let component = self.inner.threads().spawn_blocking(read).await;
        let component = component
            .map_err(|error| LoadError::Compile(error.to_string()))?
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        self.plugin(&component, digest.to_owned(), size).await
    }
}

//! From bytes to a plugin: compiled, its imports and exports checked, its descriptor read.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::contract::Descriptor;
use crate::engine::Engine;
use crate::error::{CallError, LoadError};
use crate::json::{self, JsonLimits};
use crate::limits::Limits;
use crate::said;
use crate::versions::{Guest, Version, version_of};

/// Packages whose interfaces exist without any power, since ordinary language runtimes import them.
pub const POWERLESS: &[&str] = &[
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];

/// `describe` runs before anybody could have set limits.
const DESCRIBE_HOLDER: &str = "(load)";
pub(crate) const MAX_SCHEMA: usize = 64 << 10;
pub(crate) const MAX_NAME: usize = 63;
pub(crate) const MAX_VERSION: usize = 255;
pub(crate) const MAX_LIST: usize = 64;

/// A loaded component. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) loaded: Arc<Loaded>,
}

pub(crate) struct Loaded {
    pub(crate) digest: String,
    pub(crate) size: usize,
    pub(crate) imports: Vec<String>,
    pub(crate) descriptor: Descriptor,
    pub(crate) version: &'static Version,
    pub(crate) guest: Arc<dyn Guest>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("digest", &self.loaded.digest)
            .field("contract", &self.contract())
            .field("descriptor", &self.loaded.descriptor)
            .finish()
    }
}

impl Plugin {
    /// `sha256:` and the hex digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.loaded.digest
    }

    /// Bytes of the component.
    #[must_use]
    pub fn size(&self) -> usize {
        self.loaded.size
    }

    /// The interfaces that it imports, of the contract and of WASI, each with its version.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.loaded.imports
    }

    /// The version of the contract that it was built for.
    #[must_use]
    pub fn contract(&self) -> &'static str {
        self.loaded.version.contract
    }

    /// The export that is called, with its version. A component may have others.
    #[must_use]
    pub fn generator(&self) -> &'static str {
        self.loaded.version.generator
    }

    /// What it says of itself.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.loaded.descriptor
    }
}

impl Engine {
    /// Compiles `wasm`, checks what it imports and exports, and asks it who it is.
    ///
    /// # Errors
    ///
    /// Why these bytes are no plugin that this host runs.
    pub async fn load(&self, wasm: &[u8]) -> Result<Plugin, LoadError> {
        check_is_component(wasm)?;
        let component = self.compile(wasm.to_vec()).await?;
        self.plugin(&component, digest(wasm), wasm.len()).await
    }

    /// Checks what the component imports and exports, and asks it who it is.
    pub(crate) async fn plugin(
        &self,
        component: &Component,
        digest: String,
        size: usize,
    ) -> Result<Plugin, LoadError> {
        let version = self.version(component)?;
        let imports = self.imports(component);
        imports
            .iter()
            .try_for_each(|name| check_import(name, version))?;
        let guest = self.link(component, version)?;
        let described = self
            .describe(&guest, &digest)
            .await
            .map_err(LoadError::Describe)?;
        let descriptor = descriptor(described)?;
        Ok(Plugin {
            loaded: Arc::new(Loaded {
                digest,
                size,
                imports,
                descriptor,
                version,
                guest,
            }),
        })
    }

    async fn compile(&self, wasm: Vec<u8>) -> Result<Component, LoadError> {
        let engine = self.inner.wasmtime.clone();
        let compile = move || Component::new(&engine, wasm);
        let compiled = self.inner.threads().spawn_blocking(compile).await;
        compiled
            .map_err(|error| LoadError::Compile(error.to_string()))?
            .map_err(|error| LoadError::Compile(format!("{error:#}")))
    }

    fn imports(&self, component: &Component) -> Vec<String> {
        let kind = component.component_type();
        kind.imports(&self.inner.wasmtime)
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    fn version(&self, component: &Component) -> Result<&'static Version, LoadError> {
        let kind = component.component_type();
        let exports: Vec<_> = kind
            .exports(&self.inner.wasmtime)
            .map(|(name, _)| name.to_owned())
            .collect();
        let spoken = self.inner.versions;
        version_of(&exports, spoken).ok_or_else(|| LoadError::Export {
            expected: spoken.iter().map(|version| version.generator).collect(),
            exports,
        })
    }

    fn link(&self, component: &Component, version: &Version) -> Result<Arc<dyn Guest>, LoadError> {
        let linked = self.inner.linker.instantiate_pre(component);
        linked
            .and_then(version.guest)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))
    }

    async fn describe(
        &self,
        guest: &Arc<dyn Guest>,
        digest: &str,
    ) -> Result<said::Descriptor, CallError> {
        let names = Arc::new(|_: &str| None);
        let run = self.run(
            Arc::clone(guest),
            digest,
            DESCRIBE_HOLDER,
            Limits::default(),
            names,
        );
        let ran = run.await?.call(|guest, store| guest.describe(store));
        Ok(ran.await?.answer)
    }
}

/// `sha256:` and the hex digest of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let hex = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("sha256:{hex}")
}

pub(crate) fn check_is_component(wasm: &[u8]) -> Result<(), LoadError> {
    let found = match wasm {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "a core module",
        [0, b'a', b's', b'm', ..] => "WebAssembly of an unknown version",
        [] => "an empty file",
        _ => "no WebAssembly",
    };
    Err(LoadError::NotAComponent { found })
}

fn check_import(name: &str, version: &Version) -> Result<(), LoadError> {
    let (interface, number) = name.split_once('@').unwrap_or((name, ""));
    let package = interface.split('/').next().unwrap_or_default();
    if version.imports.contains(&name)
        || (POWERLESS.contains(&package) && number.starts_with("0.2."))
    {
        return Ok(());
    }
    let advice = match package {
        "wasi:http" => {
            "a plugin has no network: build it without fetch (componentize-js: `disableFeatures: ['http', 'fetch-event']`)".to_owned()
        }
        "testbench:phase" => format!(
            "it was built for contract {}, of which this host has `{}`: build it with no more than these, or use a host that has it",
            version.contract,
            version.imports.join("` and `")
        ),
        _ if POWERLESS.contains(&package) => "only version 0.2 of WASI is there".to_owned(),
        _ => "what it needs has to be in its request".to_owned(),
    };
    Err(LoadError::Import {
        import: name.to_owned(),
        advice,
    })
}

fn descriptor(described: said::Descriptor) -> Result<Descriptor, LoadError> {
    let said::Descriptor {
        name,
        version,
        settings_schema,
        requires,
        inputs,
        creates,
        ext,
    } = described;
    let wrong = |field, why: String| LoadError::Descriptor { field, why };
    if !is_dns_label(&name) {
        return Err(wrong(
            "name",
            format!(
                "must be 1 to {MAX_NAME} of a-z, 0-9 and `-`, found `{}`",
                crate::text::clean(&name, 64)
            ),
        ));
    }
    if version.is_empty() || version.len() > MAX_VERSION || !version.is_ascii() {
        return Err(wrong("version", "must be a SemVer version".to_owned()));
    }
    if let Some(feature) = requires.first() {
        let feature = crate::text::clean(feature, 64);
        return Err(wrong(
            "requires",
            format!(
                "names `{feature}`, a feature that this host lacks; it has none beyond the contract"
            ),
        ));
    }
    if inputs.len() > MAX_LIST || creates.len() > MAX_LIST {
        return Err(wrong(
            "inputs",
            format!("and `creates` may have {MAX_LIST} entries each"),
        ));
    }
    if settings_schema.len() > MAX_SCHEMA {
        return Err(wrong(
            "settings-schema",
            format!(
                "has {} bytes, {MAX_SCHEMA} are the most",
                settings_schema.len()
            ),
        ));
    }
    let schema = json::parse(&settings_schema, JsonLimits::default())
        .map_err(|error| wrong("settings-schema", format!("is no JSON: {error}")))?;
    if let Some(ext) = ext {
        json::parse(&ext, JsonLimits::default())
            .map_err(|error| wrong("ext", format!("is no JSON: {error}")))?;
    }
    Ok(Descriptor {
        name,
        version,
        settings_schema: schema,
        inputs,
        creates,
    })
}

fn is_dns_label(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

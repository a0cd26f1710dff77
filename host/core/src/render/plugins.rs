//! PhasePlugins from files, with the components that serve for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use testbench_api::{
    BundledSource, ConfigMapSource, LabelSelector, PhasePluginSpec, PluginPlacement, PluginSource,
    UserSettings,
};
use testbench_engine::Plugin;

use super::Located;
use super::manifests::object_ref;
use crate::admission::{Refusal, Schema, SchemaError};
use crate::config::PluginConfig;
use crate::error::with_causes;
use crate::pipeline::Host;
use crate::resolve::{ConfigMap, Lookup, ObjectRef, References};
use crate::slots::{CustomPhase, Registered, component_in, no_such_key};

/// Why PhasePlugins cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PluginFileError {
    /// The API server would not take it.
    #[error("{title}:\n{}", .refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused {
        /// Which one, and where it stands.
        title: String,
        /// Why not.
        refusals: Vec<Refusal>,
    },
    /// The schema took it and the types did not: a defect of this program.
    #[error(
        "failed to read {title}, which its schema accepts; this is a defect of testbench, please report it"
    )]
    Types {
        /// Which one, and where it stands.
        title: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// A component that was given by hand and cannot be used.
    #[error("{0}")]
    Given(String),
    /// The API's own schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// A component that was given by hand.
#[derive(Debug, Clone)]
pub struct GivenComponent {
    /// The PhasePlugin that it stands for; the name that the plugin gives itself where it is none.
    pub name: Option<String>,
    /// How to name it in messages: its file.
    pub origin: String,
    /// Its bytes.
    pub wasm: Vec<u8>,
}

/// Where PhasePlugins of files find what they need.
#[derive(Clone, Copy)]
pub struct PluginFiles<'a> {
    /// Engine, and the bundled component of `bundled: template`.
    pub host: &'a Host,
    /// What the administrator allows.
    pub config: &'a PluginConfig,
    /// Where ConfigMaps come from.
    pub references: &'a dyn References,
    /// The namespace that the operator would run in; what is made up here lives there.
    pub operator_namespace: &'a str,
}

impl std::fmt::Debug for PluginFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginFiles").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Manifest {
    spec: PhasePluginSpec,
}

impl PluginFiles<'_> {
    /// The PhasePlugins of `documents`, with `given` components in place of their own. A component whose PhasePlugin is not among
    /// them gets one: behind `visualize`, in all Experiments, which may change its settings.
    ///
    /// # Errors
    ///
    /// A PhasePlugin that the API server would refuse, and a given component that cannot be used. One that cannot serve for another
    /// reason is no error before an Experiment wants it.
    pub async fn read(
        &self,
        documents: Vec<Located>,
        given: Vec<GivenComponent>,
    ) -> Result<Vec<Arc<CustomPhase>>, PluginFileError> {
        let mut by_name = self.load_given(given).await?;
        let schema = Schema::phase_plugin()?;
        let mut custom = Vec::new();
        for document in documents {
            let (object, spec) = admitted(&schema, document)?;
            let plugin = match by_name.remove(&object.name) {
                Some(plugin) => Ok(plugin),
                None => self.load(&object, &spec.source).await,
            };
            custom.push(self.phase(object, spec, plugin));
        }
        for (name, plugin) in by_name {
            let object = ObjectRef {
                namespace: self.operator_namespace.to_owned(),
                name,
            };
            custom.push(self.phase(object, made_up(), Ok(plugin)));
        }
        Ok(custom.into_iter().map(Arc::new).collect())
    }

    async fn load_given(
        &self,
        given: Vec<GivenComponent>,
    ) -> Result<BTreeMap<String, Plugin>, PluginFileError> {
        let mut by_name = BTreeMap::new();
        for GivenComponent { name, origin, wasm } in given {
            let plugin = self.host.engine.load(&wasm).await.map_err(|error| {
                PluginFileError::Given(format!("{origin}: {}", with_causes(&error)))
            })?;
            let name = name.unwrap_or_else(|| plugin.descriptor().name.clone());
            by_name.insert(name, plugin);
        }
        Ok(by_name)
    }

    async fn load(&self, object: &ObjectRef, source: &PluginSource) -> Result<Plugin, String> {
        if let Some(BundledSource::Template) = source.bundled {
            let template = self.host.catalog.template().cloned();
            return template.ok_or_else(|| "this host has no bundled template".to_owned());
        }
        let Some(config_map) = &source.config_map else {
            return Err(format!(
                "its component is in a registry, and nothing is fetched here; give it with --plugin {}=FILE",
                object.name
            ));
        };
        let wasm = self.in_config_map(&object.namespace, config_map)?;
        let loaded = self.host.engine.load(&wasm).await;
        loaded.map_err(|error| with_causes(&error))
    }

    fn in_config_map(&self, namespace: &str, source: &ConfigMapSource) -> Result<Vec<u8>, String> {
        let ConfigMapSource { name, key } = source;
        let object = ObjectRef {
            namespace: namespace.to_owned(),
            name: name.clone(),
        };
        let Lookup::Found(found) = self.references.config_map(&object) else {
            return Err(format!("ConfigMap {object} does not exist"));
        };
        let ConfigMap { binary_data, .. } = &*found;
        let value = binary_data.get(key).ok_or_else(|| {
            let keys = binary_data.keys().map(String::as_str);
            format!("ConfigMap {object}: {}", no_such_key(key, keys))
        })?;
        component_in(value, self.config.max_component_bytes())
            .map_err(|error| format!("key `{key}` of ConfigMap {object}: {error}"))
    }

    fn phase(
        &self,
        object: ObjectRef,
        spec: PhasePluginSpec,
        plugin: Result<Plugin, String>,
    ) -> CustomPhase {
        let component = plugin.and_then(|plugin| {
            let registered = Registered::custom(&object, &spec, plugin, self.config);
            registered
                .map(Arc::new)
                .map_err(|error| with_causes(&error))
        });
        CustomPhase {
            object,
            spec,
            component,
        }
    }
}

fn admitted(
    schema: &Schema,
    document: Located,
) -> Result<(ObjectRef, PhasePluginSpec), PluginFileError> {
    let object = object_ref(&document.manifest);
    let title = format!("PhasePlugin {object} ({})", document.origin);
    let manifest = match schema.admit(document.manifest) {
        Ok(manifest) => manifest,
        Err(refusals) => return Err(PluginFileError::Refused { title, refusals }),
    };
    match serde_json::from_value(manifest) {
        Ok(Manifest { spec }) => Ok((object, spec)),
        Err(source) => Err(PluginFileError::Types { title, source }),
    }
}

fn made_up() -> PhasePluginSpec {
    PhasePluginSpec {
        placement: Some(PluginPlacement {
            after: Some("visualize".to_owned()),
            ..PluginPlacement::default()
        }),
        user_settings: Some(UserSettings::Allow),
        experiment_selector: Some(LabelSelector::default()),
        ..PhasePluginSpec::default()
    }
}

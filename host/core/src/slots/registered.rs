//! A loaded plugin with what the host knows of it beside its bytes.

use serde_json::{Map, Value};
use testbench_api::PhasePluginSpec;
use testbench_engine::{Limits, Plugin};

use super::schema::{self, SchemaError};
use crate::compose::{Grants, PluginIdentity};
use crate::config::PluginConfig;
use crate::invoke::unknown_inputs;
use crate::resolve::ObjectRef;
use crate::violation::{self, Violation};

/// A loaded plugin with what the host knows of it beside its bytes.
#[derive(Debug)]
pub struct Registered {
    /// The loaded component.
    pub plugin: Plugin,
    /// Whose it is.
    pub identity: PluginIdentity,
    /// What it may do beyond the defaults.
    pub grants: Grants,
    /// What one call may cost.
    pub limits: Limits,
    settings: jsonschema::Validator,
}

/// Why a loaded plugin cannot be used by this host.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Its settings schema is refused.
    #[error("failed to use its settings schema")]
    Schema(#[from] SchemaError),
    /// It wants something that this host does not have.
    #[error("it asks for the input {}, which this host does not have", .0.join(", "))]
    Inputs(Vec<String>),
    /// Its PhasePlugin wants more than the administrator allows.
    #[error("{0}")]
    Ceiling(String),
}

impl Registered {
    /// `plugin` as it serves everybody from the operator's own bundle, in the slot `phase`.
    ///
    /// # Errors
    ///
    /// Where its descriptor asks for something that this host cannot give.
    pub fn bundled(
        phase: &str,
        plugin: Plugin,
        config: &PluginConfig,
    ) -> Result<Self, RegisterError> {
        let (identity, grants) = (PluginIdentity::Bundled, Grants::bundled(phase));
        Self::new(plugin, identity, grants, config.bundled_limits())
    }

    /// `plugin` as the PhasePlugin `object` with this `spec` has it.
    ///
    /// # Errors
    ///
    /// Where it, or its descriptor, asks for something that this host or its administrator does not give.
    pub fn custom(
        object: &ObjectRef,
        spec: &PhasePluginSpec,
        plugin: Plugin,
        config: &PluginConfig,
    ) -> Result<Self, RegisterError> {
        let identity = PluginIdentity::Custom {
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        };
        let grants = config.grants_of(spec.allowed.as_ref());
        let limits = config.limits_of(spec.limits);
        Self::new(
            plugin,
            identity,
            grants.map_err(RegisterError::Ceiling)?,
            limits.map_err(RegisterError::Ceiling)?,
        )
    }

    fn new(
        plugin: Plugin,
        identity: PluginIdentity,
        grants: Grants,
        limits: Limits,
    ) -> Result<Self, RegisterError> {
        let descriptor = plugin.descriptor();
        let unknown: Vec<_> = unknown_inputs(&descriptor.inputs)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if !unknown.is_empty() {
            return Err(RegisterError::Inputs(unknown));
        }
        Ok(Self {
            settings: schema::validator(&descriptor.settings_schema)?,
            plugin,
            identity,
            grants,
            limits,
        })
    }

    pub(crate) fn refuse_settings(&self, settings: &Map<String, Value>) -> Vec<Violation> {
        let settings = Value::Object(settings.clone());
        let schema = &self.plugin.descriptor().settings_schema;
        self.settings
            .iter_errors(&settings)
            .flat_map(|error| violation::of(&error, &settings, schema))
            .collect()
    }
}

//! Third step: which plugin, with which settings, fills which slot of the chain.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use serde_json::{Map, Value};
use testbench_api::PhaseTuning;
use testbench_engine::{Engine, Limits, LoadError, Plugin};

use crate::compose::{Grants, PluginIdentity};
use crate::invoke::unknown_inputs;
use crate::path::join;
use crate::validate::Validated;
use crate::violation::{self, Violation};

/// The slots, in the order of the chain. They exist also where nothing fills them.
pub const SLOTS: &[&str] = &[
    "experiment",
    "workflow",
    "setup",
    "run",
    "evaluate",
    "publish",
    "visualize",
    "trigger",
];

/// Without these there is nothing to run.
const INDISPENSABLE: &[&str] = &["experiment", "workflow", "run"];

/// Whether `spec.phases` may disable the slot `name`.
#[must_use]
pub fn may_be_disabled(name: &str) -> bool {
    !INDISPENSABLE.contains(&name)
}

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
    /// Its settings schema is none, or refers to something outside itself.
    #[error("its settings schema is no JSON Schema that this host takes")]
    Schema(#[source] Box<jsonschema::ValidationError<'static>>),
    /// It wants something that this host does not have.
    #[error("it asks for the input {}, which this host does not have", .0.join(", "))]
    Inputs(Vec<String>),
}

impl Registered {
    /// `plugin` as it serves everybody from the operator's own bundle, in the slot `phase`.
    ///
    /// # Errors
    ///
    /// Where its descriptor asks for something that this host cannot give.
    pub fn bundled(phase: &str, plugin: Plugin) -> Result<Self, RegisterError> {
        let descriptor = plugin.descriptor();
        let unknown: Vec<_> = unknown_inputs(&descriptor.inputs)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if !unknown.is_empty() {
            return Err(RegisterError::Inputs(unknown));
        }
        let settings = settings_validator(&descriptor.settings_schema);
        Ok(Self {
            settings: settings.map_err(|error| RegisterError::Schema(Box::new(error)))?,
            plugin,
            identity: PluginIdentity::Bundled,
            grants: Grants::bundled(phase),
            limits: Limits::default(),
        })
    }
}

impl Registered {
    fn refuse_settings(&self, settings: &Map<String, Value>) -> Vec<Violation> {
        let settings = Value::Object(settings.clone());
        let schema = &self.plugin.descriptor().settings_schema;
        self.settings
            .iter_errors(&settings)
            .flat_map(|error| violation::of(&error, &settings, schema))
            .collect()
    }
}

/// Patterns come from a plugin: the linear-time engine, never a backtracking one. No `$ref` leaves the schema: the crate is built
/// without any way to fetch one.
fn settings_validator(
    schema: &Value,
) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
}

/// The plugins that a host has, by the slot that they fill.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    by_slot: BTreeMap<String, Arc<Registered>>,
}

/// A component on its way into a [`Catalog`].
#[derive(Debug, Clone)]
pub struct Component {
    /// The slot that it fills.
    pub slot: String,
    /// How to name it in messages: its file, or `bundled`.
    pub origin: String,
    /// Its bytes.
    pub wasm: Cow<'static, [u8]>,
}

/// Why a component does not get into a [`Catalog`].
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no such slot.
    #[error("{origin}: there is no slot `{slot}` to put it into; there are {}", SLOTS.join(", "))]
    Slot {
        /// Where the component comes from.
        origin: String,
        /// The unknown slot.
        slot: String,
    },
    /// It is no plugin that this host runs.
    #[error("failed to load the plugin of slot `{slot}` ({origin})")]
    Load {
        /// Where the component comes from.
        origin: String,
        /// The slot that it should fill.
        slot: String,
        /// Why not.
        #[source]
        source: LoadError,
    },
    /// It asks for something that this host cannot give.
    #[error("failed to use the plugin of slot `{slot}` ({origin})")]
    Register {
        /// Where the component comes from.
        origin: String,
        /// The slot that it should fill.
        slot: String,
        /// Why not.
        #[source]
        source: RegisterError,
    },
}

impl Catalog {
    /// Loads `components` side by side. Of two for the same slot, the later one fills it.
    ///
    /// # Errors
    ///
    /// The first component that cannot be used.
    pub async fn load(
        engine: &Engine,
        components: impl IntoIterator<Item = Component>,
    ) -> Result<Self, CatalogError> {
        let by_slot: BTreeMap<_, _> = components
            .into_iter()
            .map(|component| (component.slot.clone(), component))
            .collect();
        let loads = by_slot
            .into_values()
            .map(|component| load(engine, component));
        Ok(Self {
            by_slot: try_join_all(loads).await?.into_iter().collect(),
        })
    }
}

async fn load(
    engine: &Engine,
    component: Component,
) -> Result<(String, Arc<Registered>), CatalogError> {
    let Component { slot, origin, wasm } = component;
    if !SLOTS.contains(&slot.as_str()) {
        return Err(CatalogError::Slot { origin, slot });
    }
    let plugin = match engine.load(&wasm).await {
        Ok(plugin) => plugin,
        Err(source) => {
            return Err(CatalogError::Load {
                origin,
                slot,
                source,
            });
        }
    };
    match Registered::bundled(&slot, plugin) {
        Ok(registered) => Ok((slot, Arc::new(registered))),
        Err(source) => Err(CatalogError::Register {
            origin,
            slot,
            source,
        }),
    }
}

/// One plugin in one slot, for one Experiment.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The slot's name, and with that the phase's.
    pub phase: String,
    /// What fills it.
    pub plugin: Arc<Registered>,
    /// Valid against the plugin's schema.
    pub settings: Value,
}

/// Why the slots cannot be filled as the Experiment asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// `spec.phases` names something that does not exist.
    #[error("{path}: there is no phase `{name}`; there are {}", known.join(", "))]
    PhaseNotFound {
        /// Where in the Experiment.
        path: String,
        /// The unknown name.
        name: String,
        /// Every name that would do.
        known: Vec<String>,
    },
    /// A phase without which there is nothing to run is disabled.
    #[error(
        "{path}: phase `{name}` cannot be disabled: without it there is nothing to run; remove `enabled: false`"
    )]
    Indispensable {
        /// Where in the Experiment.
        path: String,
        /// The phase.
        name: String,
    },
    /// Settings that the plugin's schema refuses.
    #[error("{path}: {message} (a setting of phase `{phase}`)")]
    Settings {
        /// Where in the Experiment.
        path: String,
        /// The phase.
        phase: String,
        /// What the schema says.
        message: String,
    },
}

/// Fills the slots for one Experiment, in the order of the chain.
///
/// # Errors
///
/// Everything that `spec.phases` gets wrong, in its order.
pub fn assign(catalog: &Catalog, validated: &Validated) -> Result<Vec<Assignment>, Vec<SlotError>> {
    let mut tuned = BTreeMap::new();
    let mut errors = Vec::new();
    for (i, tuning) in validated.phases.iter().enumerate() {
        match tune(catalog, tuning, &format!("spec.phases[{i}]")) {
            Ok(tuning) => drop(tuned.insert(tuning.name, tuning)),
            Err(wrong) => errors.extend(wrong),
        }
    }
    let untuned = SLOTS.iter().filter(|slot| !tuned.contains_key(**slot));
    for slot in untuned {
        // A plugin may require settings, and is promised valid ones.
        let plugin = catalog.by_slot.get(*slot);
        errors.extend(plugin.into_iter().flat_map(|plugin| {
            let path = format!("spec.phases[name={slot}].settings");
            refused_settings(plugin, slot, &Map::new(), &path)
        }));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let assignment = |slot: &&str| {
        let plugin = catalog.by_slot.get(*slot)?.clone();
        let Tuned {
            enabled, settings, ..
        } = tuned.remove(*slot).unwrap_or_default();
        enabled.then(|| Assignment {
            phase: (*slot).to_owned(),
            plugin,
            settings: Value::Object(settings),
        })
    };
    Ok(SLOTS.iter().filter_map(assignment).collect())
}

/// What `spec.phases` says of one phase, checked. By default a phase runs, without settings.
struct Tuned<'a> {
    name: &'a str,
    enabled: bool,
    settings: Map<String, Value>,
}

impl Default for Tuned<'_> {
    fn default() -> Self {
        Self {
            name: "",
            enabled: true,
            settings: Map::new(),
        }
    }
}

fn tune<'a>(
    catalog: &Catalog,
    tuning: &'a PhaseTuning,
    path: &str,
) -> Result<Tuned<'a>, Vec<SlotError>> {
    let PhaseTuning {
        name,
        enabled,
        settings,
    } = tuning;
    let Some(plugin) = catalog.by_slot.get(name) else {
        let known = SLOTS
            .iter()
            .filter(|slot| catalog.by_slot.contains_key(**slot));
        return Err(vec![SlotError::PhaseNotFound {
            path: format!("{path}.name"),
            name: name.clone(),
            known: known.map(|slot| (*slot).to_owned()).collect(),
        }]);
    };
    let enabled = enabled.unwrap_or(true);
    if !enabled && !may_be_disabled(name) {
        return Err(vec![SlotError::Indispensable {
            path: format!("{path}.enabled"),
            name: name.clone(),
        }]);
    }
    let settings = settings.clone().unwrap_or_default();
    // What a phase that is left out is told matters to nobody.
    let refused = if enabled {
        refused_settings(plugin, name, &settings, &format!("{path}.settings"))
    } else {
        Vec::new()
    };
    if refused.is_empty() {
        Ok(Tuned {
            name,
            enabled,
            settings,
        })
    } else {
        Err(refused)
    }
}

fn refused_settings(
    plugin: &Registered,
    phase: &str,
    settings: &Map<String, Value>,
    path: &str,
) -> Vec<SlotError> {
    let refused = plugin.refuse_settings(settings).into_iter();
    let refused = refused.map(|violation| SlotError::Settings {
        path: join(path, &violation.path),
        phase: phase.to_owned(),
        message: violation.message,
    });
    refused.collect()
}

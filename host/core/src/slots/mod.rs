//! Third step: which plugin, with which settings, fills which place of the chain.

mod catalog;
mod chain;
mod custom;
mod registered;
mod schema;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use testbench_api::{PhaseTuning, Slot};

pub use self::catalog::{Catalog, CatalogError, Component};
use self::chain::{Misplaced, Place};
pub use self::custom::{CustomPhase, Unused, serving, why_unused};
pub use self::registered::{RegisterError, Registered};
pub use self::schema::SchemaError;
pub use self::source::{ContentError, component_in, no_such_key, unpacked};
use crate::path::join;
use crate::validate::Validated;

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

/// The bundled component that fills no slot of its own, but stands for `source.bundled: template` of PhasePlugins.
pub const TEMPLATE: &str = "template";

/// Without these there is nothing to run.
const INDISPENSABLE: &[&str] = &["experiment", "workflow", "run"];

/// Whether `spec.phases` may disable the slot `name`.
#[must_use]
pub fn may_be_disabled(name: &str) -> bool {
    !INDISPENSABLE.contains(&name)
}

/// One plugin in one place, for one Experiment.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The phase: the slot's name, or the PhasePlugin's.
    pub phase: String,
    /// What fills it.
    pub plugin: Arc<Registered>,
    /// Valid against the plugin's schema.
    pub settings: Value,
    /// Whether it has a place in the chain, and with that may have steps.
    pub is_placed: bool,
    /// Whether the Experiment goes on without it where it fails.
    pub may_be_ignored: bool,
}

/// A phase that failed, and without which the Experiment goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The phase.
    pub phase: String,
    /// What is wrong.
    pub why: String,
}

/// Who fills the chain of one Experiment.
#[derive(Debug, Default)]
pub struct Assigned {
    /// In the order of the chain; what has no place in it comes last.
    pub assignments: Vec<Assignment>,
    /// What is left out because it may be.
    pub ignored: Vec<Ignored>,
}

/// Why the chain cannot be filled as the Experiment asks.
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
        /// Where in the Experiment, or in the PhasePlugin.
        path: String,
        /// The phase.
        phase: String,
        /// What the schema says.
        message: String,
    },
    /// Settings for a phase that takes none.
    #[error(
        "{path}: phase `{phase}` takes no settings from Experiments; remove them, or have `userSettings: Allow` set in {plugin}"
    )]
    UserSettings {
        /// Where in the Experiment.
        path: String,
        /// The phase.
        phase: String,
        /// Its PhasePlugin.
        plugin: String,
    },
    /// Two PhasePlugins want the same slot.
    #[error("{} all replace phase `{slot}` of this Experiment; leave one, or narrow their experimentSelectors", plugins.join(" and "))]
    Replaces {
        /// The slot.
        slot: String,
        /// Who wants it.
        plugins: Vec<String>,
    },
    /// A PhasePlugin hangs on a name that nothing has.
    #[error(
        "{plugin}: spec.placement names `{anchor}`, and there is no such phase; there are {}", known.join(", ")
    )]
    UnknownAnchor {
        /// Who names it.
        plugin: String,
        /// The name.
        anchor: String,
        /// Every name that would do.
        known: Vec<String>,
    },
    /// PhasePlugins hang on each other.
    #[error("the placements of {} hang on each other in a circle; place one of them at a bundled phase", plugins.join(", "))]
    Cycle {
        /// The PhasePlugins.
        plugins: Vec<String>,
    },
    /// There is no component that could serve.
    #[error("phase `{phase}`: {plugin} cannot serve: {why}")]
    Unavailable {
        /// The phase.
        phase: String,
        /// Its PhasePlugin.
        plugin: String,
        /// What is wrong with it.
        why: String,
    },
}

impl SlotError {
    /// Whether it is a PhasePlugin that has to come right, and not the Experiment.
    #[must_use]
    pub fn is_of_a_plugin(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Cycle { .. }
            | Self::UnknownAnchor { .. }
            | Self::Replaces { .. } => true,
            Self::PhaseNotFound { .. }
            | Self::Indispensable { .. }
            | Self::Settings { .. }
            | Self::UserSettings { .. } => false,
        }
    }
}

/// Fills the chain for one Experiment.
///
/// # Errors
///
/// Everything that keeps it from being filled: of `spec.phases` in its order, then of PhasePlugins.
pub fn assign(catalog: &Catalog, validated: &Validated) -> Result<Assigned, Vec<SlotError>> {
    let tunings: BTreeMap<&str, (usize, &PhaseTuning)> = validated
        .phases
        .iter()
        .enumerate()
        .map(|(i, tuning)| (tuning.name.as_str(), (i, tuning)))
        .collect();
    let custom = catalog.custom.values().filter(|custom| {
        let is_named = tunings.contains_key(custom.phase());
        custom.is_in(&validated.experiment.labels, is_named)
    });
    let (fillers, mut plugin_errors) = fillers(catalog, custom.map(Arc::as_ref));
    let (chain, misplaced) = order(catalog, &fillers);
    plugin_errors.extend(misplaced);

    // In the order of `spec.phases`; what that does not name comes last.
    let mut errors: BTreeMap<usize, Vec<SlotError>> = BTreeMap::new();
    for (i, tuning) in validated.phases.iter().enumerate() {
        let wrong = tuning_errors(catalog, &fillers, tuning, i);
        errors.entry(i).or_default().extend(wrong);
    }
    let mut assigned = Assigned::default();
    for phase in chain {
        let filler = &fillers[phase];
        let tuning = tunings.get(phase).copied();
        if tuning.is_some_and(|(_, tuning)| tuning.enabled == Some(false)) {
            continue;
        }
        match filler.assignment(phase, tuning) {
            Ok(assignment) => assigned.assignments.push(assignment),
            Err(wrong) if filler.may_be_ignored(phase, tuning, &wrong) => {
                assigned.ignored.push(Ignored {
                    phase: phase.to_owned(),
                    why: lines(&wrong),
                });
            }
            Err(wrong) => {
                let i = tuning.map_or(usize::MAX, |(i, _)| i);
                errors.entry(i).or_default().extend(wrong);
            }
        }
    }
    let errors: Vec<_> = errors
        .into_values()
        .flatten()
        .chain(plugin_errors)
        .collect();
    if errors.is_empty() {
        Ok(assigned)
    } else {
        Err(errors)
    }
}

fn lines(errors: &[SlotError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What fills one phase.
enum Filler<'a> {
    Bundled(&'a Arc<Registered>),
    Custom(&'a CustomPhase),
}

/// What fills each phase, by the phase's name. A slot that several replace is filled by the first of them, and an error.
fn fillers<'a>(
    catalog: &'a Catalog,
    custom: impl Iterator<Item = &'a CustomPhase>,
) -> (BTreeMap<&'a str, Filler<'a>>, Vec<SlotError>) {
    let bundled = catalog.by_slot.iter();
    let mut fillers: BTreeMap<_, _> = bundled
        .map(|(slot, plugin)| (slot.as_str(), Filler::Bundled(plugin)))
        .collect();
    let mut replacing: BTreeMap<Slot, Vec<String>> = BTreeMap::new();
    for custom in custom {
        if let Some(slot) = custom.replaces() {
            let replacing = replacing.entry(slot).or_default();
            replacing.push(custom.to_string());
            if replacing.len() > 1 {
                continue;
            }
        }
        fillers.insert(custom.phase(), Filler::Custom(custom));
    }
    let contested = replacing
        .into_iter()
        .filter(|(_, plugins)| plugins.len() > 1);
    let errors = contested.map(|(slot, plugins)| SlotError::Replaces {
        slot: slot.as_str().to_owned(),
        plugins,
    });
    (fillers, errors.collect())
}

/// The filled phases in the order of the chain, those without a place last; and what keeps phases from having one.
fn order<'a>(
    catalog: &'a Catalog,
    fillers: &BTreeMap<&'a str, Filler<'a>>,
) -> (Vec<&'a str>, Vec<SlotError>) {
    // Also those that this Experiment does not have: what hangs on them still has its place.
    let placed: BTreeMap<&str, Place<'_>> = catalog
        .custom
        .iter()
        .filter_map(|(name, custom)| Some((name.as_str(), custom.place()?)))
        .collect();
    let mut chain = chain::order(SLOTS, &placed);
    let has_place: BTreeSet<_> = chain.iter().copied().collect();
    chain.retain(|phase| fillers.contains_key(phase));
    let mut errors = Vec::new();
    for name in fillers.keys().filter(|name| !has_place.contains(*name)) {
        if placed.contains_key(name) {
            let error = misplaced(catalog, chain::why_misplaced(name, &placed), &has_place);
            // Each phase of a circle would tell of it.
            if !errors.contains(&error) {
                errors.push(error);
            }
        } else {
            chain.push(name);
        }
    }
    (chain, errors)
}

fn misplaced(catalog: &Catalog, why: Misplaced, known: &BTreeSet<&str>) -> SlotError {
    let title = |name: &String| {
        let custom = catalog.custom.get(name);
        custom.map_or_else(|| name.clone(), ToString::to_string)
    };
    match why {
        Misplaced::UnknownAnchor { by, anchor } => SlotError::UnknownAnchor {
            plugin: title(&by),
            anchor,
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        },
        Misplaced::Cycle(names) => SlotError::Cycle {
            plugins: names.iter().map(title).collect(),
        },
    }
}

/// What is wrong with one entry of `spec.phases`, apart from its settings.
fn tuning_errors(
    catalog: &Catalog,
    fillers: &BTreeMap<&str, Filler<'_>>,
    tuning: &PhaseTuning,
    i: usize,
) -> Option<SlotError> {
    let name = &tuning.name;
    if !fillers.contains_key(name.as_str()) && !may_be_named(catalog, name) {
        return Some(SlotError::PhaseNotFound {
            path: format!("spec.phases[{i}].name"),
            name: name.clone(),
            known: known(catalog),
        });
    }
    (tuning.enabled == Some(false) && !may_be_disabled(name)).then(|| SlotError::Indispensable {
        path: format!("spec.phases[{i}].enabled"),
        name: name.clone(),
    })
}

/// A PhasePlugin that serves here and does not select this Experiment: to tune it changes nothing.
fn may_be_named(catalog: &Catalog, name: &str) -> bool {
    let custom = catalog.custom.get(name);
    custom.is_some_and(|custom| custom.replaces().is_none())
}

/// Every name that `spec.phases` may have.
fn known(catalog: &Catalog) -> Vec<String> {
    let slots = SLOTS
        .iter()
        .filter(|slot| {
            let replaced = |custom: &Arc<CustomPhase>| custom.phase() == **slot;
            catalog.by_slot.contains_key(**slot) || catalog.custom.values().any(replaced)
        })
        .map(|slot| (*slot).to_owned());
    let custom = catalog.custom.keys();
    slots
        .chain(custom.filter(|name| may_be_named(catalog, name)).cloned())
        .collect()
}

type Tuning<'a> = Option<(usize, &'a PhaseTuning)>;

impl Filler<'_> {
    fn assignment(&self, phase: &str, tuning: Tuning<'_>) -> Result<Assignment, Vec<SlotError>> {
        let plugin = self.plugin(phase)?;
        let (settings, path) = self.settings(phase, tuning)?;
        let refused = plugin.refuse_settings(&settings).into_iter();
        let refused: Vec<_> = refused
            .map(|violation| SlotError::Settings {
                path: join(&path, &violation.path),
                phase: phase.to_owned(),
                message: violation.message,
            })
            .collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        Ok(Assignment {
            phase: phase.to_owned(),
            plugin: plugin.clone(),
            settings: Value::Object(settings),
            is_placed: match self {
                Self::Bundled(_) => true,
                Self::Custom(custom) => custom.spec.placement.is_some(),
            },
            may_be_ignored: self.is_ignorable(phase),
        })
    }

    fn plugin(&self, phase: &str) -> Result<&Arc<Registered>, Vec<SlotError>> {
        match self {
            Self::Bundled(plugin) => Ok(plugin),
            Self::Custom(custom) => custom.component.as_ref().map_err(|why| {
                vec![SlotError::Unavailable {
                    phase: phase.to_owned(),
                    plugin: custom.to_string(),
                    why: why.clone(),
                }]
            }),
        }
    }

    /// The settings, and where a reader finds them. A plugin may require some, so those of nobody have a path too.
    fn settings(
        &self,
        phase: &str,
        tuning: Tuning<'_>,
    ) -> Result<(Map<String, Value>, String), Vec<SlotError>> {
        let users = tuning.and_then(|(i, tuning)| {
            let settings = tuning.settings.as_ref().filter(|said| !said.is_empty())?;
            Some((settings, format!("spec.phases[{i}].settings")))
        });
        match (self, users) {
            (Self::Bundled(_), Some((settings, path))) => Ok((settings.clone(), path)),
            (Self::Bundled(_), None) => {
                let path = tuning.map_or_else(
                    || format!("spec.phases[name={phase}].settings"),
                    |(i, _)| format!("spec.phases[{i}].settings"),
                );
                Ok((Map::new(), path))
            }
            (Self::Custom(custom), None) => {
                let own = custom.spec.settings.clone().unwrap_or_default();
                Ok((own, format!("{custom}: spec.settings")))
            }
            (Self::Custom(custom), Some((settings, path))) if custom.takes_user_settings() => {
                let own = custom.spec.settings.clone().unwrap_or_default();
                Ok((custom::merged(&own, settings), path))
            }
            (Self::Custom(custom), Some((_, path))) => Err(vec![SlotError::UserSettings {
                path,
                phase: phase.to_owned(),
                plugin: custom.to_string(),
            }]),
        }
    }

    fn is_ignorable(&self, phase: &str) -> bool {
        match self {
            Self::Bundled(_) => false,
            Self::Custom(custom) => custom.may_be_ignored() && may_be_disabled(phase),
        }
    }

    /// What a user got wrong is never passed over.
    fn may_be_ignored(&self, phase: &str, tuning: Tuning<'_>, errors: &[SlotError]) -> bool {
        let is_users = tuning.is_some_and(|(_, tuning)| tuning.settings.is_some())
            && !errors.iter().all(SlotError::is_of_a_plugin);
        self.is_ignorable(phase) && !is_users
    }
}

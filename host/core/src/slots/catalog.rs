//! The plugins that there are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use testbench_engine::{Engine, LoadError, Plugin};

use super::custom::CustomPhase;
use super::registered::{RegisterError, Registered};
use super::{SLOTS, TEMPLATE};
use crate::config::PluginConfig;

/// The plugins that an Experiment can have: the bundled ones by the slot that they fill, and PhasePlugins.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(super) by_slot: BTreeMap<String, Arc<Registered>>,
    /// What `bundled: template` stands for.
    template: Option<Plugin>,
    /// By name.
    pub(super) custom: BTreeMap<String, Arc<CustomPhase>>,
}

/// A bundled component on its way into a [`Catalog`].
#[derive(Debug, Clone)]
pub struct Component {
    /// The slot that it fills, or [`TEMPLATE`].
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
    /// Loads the bundled `components` side by side. Of two for the same slot, the later one fills it.
    ///
    /// # Errors
    ///
    /// The first component that cannot be used.
    pub async fn load(
        engine: &Engine,
        config: &PluginConfig,
        components: impl IntoIterator<Item = Component>,
    ) -> Result<Self, CatalogError> {
        let by_slot: BTreeMap<_, _> = components
            .into_iter()
            .map(|component| (component.slot.clone(), component))
            .collect();
        let loads = by_slot
            .into_values()
            .map(|component| load(engine, component));
        let mut catalog = Self::default();
        for (component, plugin) in try_join_all(loads).await? {
            let Component { slot, origin, .. } = component;
            if slot == TEMPLATE {
                catalog.template = Some(plugin);
                continue;
            }
            match Registered::bundled(&slot, plugin, config) {
                Ok(registered) => drop(catalog.by_slot.insert(slot, Arc::new(registered))),
                Err(source) => {
                    return Err(CatalogError::Register {
                        origin,
                        slot,
                        source,
                    });
                }
            }
        }
        Ok(catalog)
    }

    /// What `bundled: template` stands for, where it was loaded.
    #[must_use]
    pub fn template(&self) -> Option<&Plugin> {
        self.template.as_ref()
    }

    /// The same bundled plugins, with these PhasePlugins; [`super::serving`] says which those are.
    #[must_use]
    pub fn with(&self, custom: Vec<Arc<CustomPhase>>) -> Self {
        let named = custom
            .into_iter()
            .map(|custom| (custom.object.name.clone(), custom));
        Self {
            custom: named.collect(),
            ..self.clone()
        }
    }
}

async fn load(engine: &Engine, component: Component) -> Result<(Component, Plugin), CatalogError> {
    let Component { slot, origin, wasm } = &component;
    if slot != TEMPLATE && !SLOTS.contains(&slot.as_str()) {
        return Err(CatalogError::Slot {
            origin: origin.clone(),
            slot: slot.clone(),
        });
    }
    match engine.load(wasm).await {
        Ok(plugin) => Ok((component, plugin)),
        Err(source) => Err(CatalogError::Load {
            origin: origin.clone(),
            slot: slot.clone(),
            source,
        }),
    }
}

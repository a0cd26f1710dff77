//! What serves for PhasePlugins: the plugin controller puts it here, and Experiments are composed with it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use testbench_core::pipeline::Host;
use testbench_core::resolve::ObjectRef;
use testbench_core::slots::{CustomPhase, serving};

use crate::experiment_controller::stores::Stores;

/// Engine, bundled plugins, and what serves for each PhasePlugin.
#[derive(Debug)]
pub struct Plugins {
    host: Host,
    operator_namespace: String,
    tenants: bool,
    served: RwLock<HashMap<ObjectRef, Served>>,
}

#[derive(Debug, Clone)]
struct Served {
    /// Of the PhasePlugin: one that was deleted and created again starts afresh.
    uid: String,
    custom: Arc<CustomPhase>,
}

impl Plugins {
    /// With the bundled plugins of `host` alone.
    #[must_use]
    pub fn new(host: Host, operator_namespace: &str, tenants: bool) -> Self {
        Self {
            host,
            operator_namespace: operator_namespace.to_owned(),
            tenants,
            served: RwLock::default(),
        }
    }

    /// Engine and bundled plugins.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What Experiments in `namespace` are composed with; `None` while one of their PhasePlugins was not looked at yet: without it the
    /// chain would change, and change back.
    #[must_use]
    pub fn host_for(&self, namespace: &str, stores: &Stores) -> Option<Host> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for (object, observed) in stores.phase_plugins.all() {
            if object.namespace != namespace && object.namespace != self.operator_namespace {
                continue;
            }
            let of_this = served.get(&object);
            let of_this = of_this.filter(|served| served.uid == observed.uid)?;
            all.push(of_this.custom.clone());
        }
        let custom = serving(&all, namespace, &self.operator_namespace, self.tenants);
        Some(Host {
            catalog: self.host.catalog.with(custom),
            ..self.host.clone()
        })
    }

    /// What serves for the PhasePlugin with this UID.
    #[must_use]
    pub fn served(&self, object: &ObjectRef, uid: &str) -> Option<Arc<CustomPhase>> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let of_this = served.get(object).filter(|served| served.uid == uid)?;
        Some(of_this.custom.clone())
    }

    /// From now on, `custom` serves for the PhasePlugin with this UID.
    pub fn serve(&self, uid: &str, custom: Arc<CustomPhase>) {
        let (object, uid) = (custom.object.clone(), uid.to_owned());
        self.write().insert(object, Served { uid, custom });
    }

    /// A PhasePlugin is gone; its UID, where it was looked at.
    pub fn forget(&self, object: &ObjectRef) -> Option<String> {
        self.write().remove(object).map(|served| served.uid)
    }

    /// Whether the component with this digest serves for any.
    #[must_use]
    pub fn is_serving(&self, digest: &str) -> bool {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.values().any(|served| {
            let component = served.custom.component.as_ref();
            component.is_ok_and(|registered| registered.plugin.digest() == digest)
        })
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<ObjectRef, Served>> {
        // A panic while it was locked leaves the map whole: every change is one insertion or removal.
        self.served.write().unwrap_or_else(PoisonError::into_inner)
    }
}

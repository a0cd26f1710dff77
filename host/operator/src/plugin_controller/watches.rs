//! What PhasePlugins depend on: themselves, each other by name, and ConfigMaps that hold components.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::watcher::{self, watch_object};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Client, ResourceExt as _};
use testbench_api::ConfigMapSource;
use testbench_core::resolve::ObjectRef;
use tokio::task::AbortHandle;

use super::observed::ObservedPlugin;
use crate::experiment_controller::stores::Stores;
use crate::watch::{Change, api};

/// Keeps the cache of PhasePlugins up for as long as it is polled, and sends each that a change concerns.
pub(super) async fn follow(
    stores: &Stores,
    client: &Client,
    operator_namespace: &str,
    changed: &UnboundedSender<ObjectRef>,
) {
    let plugins = &stores.phase_plugins;
    let kind = plugins.kind();
    let open = |namespace: Option<&str>| {
        watch(api(client, kind, namespace), watcher::Config::default()).boxed()
    };
    let send = |object| {
        // The receiver is gone only when the operator stops.
        let _ = changed.unbounded_send(object);
    };
    let follow = plugins.follow(open, ObservedPlugin::read, |change| match change {
        Change::Object {
            object,
            before,
            after,
        } => {
            // Our own status changes nothing that is wanted.
            if let (Some(before), Some(after)) = (&before, &after)
                && !after.differs_in_what_is_wanted(before)
            {
                return;
            }
            if object.namespace == operator_namespace {
                let namesakes = plugins.all().into_iter().map(|(other, _)| other);
                namesakes
                    .filter(|other| other.name == object.name && *other != object)
                    .for_each(send);
            }
            send(object);
        }
        Change::Kind => plugins
            .all()
            .into_iter()
            .for_each(|(object, _)| send(object)),
    });
    follow.await;
}

/// A watch for each ConfigMap that holds a component, of its metadata alone.
pub(super) struct ConfigMapWatches {
    client: Client,
    changed: UnboundedSender<ObjectRef>,
    /// By PhasePlugin: the ConfigMap's name, and the task that watches it.
    watched: Mutex<HashMap<ObjectRef, (String, AbortHandle)>>,
}

impl ConfigMapWatches {
    pub(super) fn new(client: Client, changed: UnboundedSender<ObjectRef>) -> Self {
        Self {
            client,
            changed,
            watched: Mutex::default(),
        }
    }

    /// From now on, a change of this ConfigMap, and of no other, sends the PhasePlugin.
    pub(super) fn follow(&self, plugin: &ObjectRef, source: Option<&ConfigMapSource>) {
        let Some(ConfigMapSource { name, .. }) = source else {
            self.forget(plugin);
            return;
        };
        let mut watched = self.lock();
        if watched.get(plugin).is_some_and(|(known, _)| known == name) {
            return;
        }
        let task = self.watch(plugin.clone(), name.clone());
        let before = watched.insert(plugin.clone(), (name.clone(), task));
        if let Some((_, task)) = before {
            task.abort();
        }
    }

    pub(super) fn forget(&self, plugin: &ObjectRef) {
        if let Some((_, task)) = self.lock().remove(plugin) {
            task.abort();
        }
    }

    fn watch(&self, plugin: ObjectRef, name: String) -> AbortHandle {
        let config_maps: Api<PartialObjectMeta<ConfigMap>> =
            Api::namespaced(self.client.clone(), &plugin.namespace);
        let changed = self.changed.clone();
        let task = tokio::spawn(async move {
            let mut versions = watch_object(config_maps, &name).default_backoff().boxed();
            let mut last = None;
            while let Some(event) = versions.next().await {
                // What it was when the watch began has just been read.
                let Ok(found) = event else { continue };
                let version = found.and_then(|map| map.resource_version());
                if last
                    .replace(version.clone())
                    .is_some_and(|last| last != version)
                {
                    let _ = changed.unbounded_send(plugin.clone());
                }
            }
        });
        task.abort_handle()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectRef, (String, AbortHandle)>> {
        // A panic while it was locked leaves the map whole: every change is one insertion or removal.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConfigMapWatches {
    fn drop(&mut self) {
        for (_, (_, task)) in self.lock().drain() {
            task.abort();
        }
    }
}

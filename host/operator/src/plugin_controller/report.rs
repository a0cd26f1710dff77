//! Tells what came of looking at a PhasePlugin: status, Events and a log line, all from the outcome.

use kube::Client;
use kube::api::{Api, DynamicObject, PartialObjectMeta, Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::json;
use testbench_api::{Condition, PhasePluginStatus};
use testbench_core::resolve::ObjectRef;

use super::observed::ObservedPlugin;
use super::outcome::PluginOutcome;
use super::status;
use crate::events::{Events, event};
use crate::experiment_controller::managed_fields::FIELD_MANAGER;
use crate::experiment_controller::stores::Stores;
use crate::kinds::PHASE_PLUGIN;
use crate::now;

pub(super) struct Reports {
    client: Client,
    events: Events,
}

impl Reports {
    pub(super) fn new(client: Client) -> Self {
        Self {
            events: Events::new(client.clone()),
            client,
        }
    }

    /// Writes the status where it changed, and publishes Events for what is new.
    pub(super) async fn publish(
        &self,
        stores: &Stores,
        object: &ObjectRef,
        observed: &ObservedPlugin,
        outcome: &PluginOutcome,
    ) -> Result<(), kube::Error> {
        match &outcome.failure {
            None => tracing::info!(digest = outcome.digest, "serving"),
            Some(failure) => tracing::warn!(
                reason = failure.reason,
                why = failure.message.replace('\n', "; "),
                "cannot serve as it is now"
            ),
        }
        let next = status::next(&observed.status, outcome, observed.generation, &now());
        if next == observed.status {
            return Ok(());
        }
        let news = news(&observed.status, &next);
        self.write(stores, object, &observed.uid, next).await?;
        if let Some(event) = news {
            self.events
                .publish(PHASE_PLUGIN, object, &observed.uid, event)
                .await;
        }
        Ok(())
    }

    async fn write(
        &self,
        stores: &Stores,
        object: &ObjectRef,
        uid: &str,
        status: PhasePluginStatus,
    ) -> Result<(), kube::Error> {
        // The UID keeps it from a PhasePlugin of the same name that has taken the place of this one.
        let patch = Patch::Apply(json!({
            "apiVersion": PHASE_PLUGIN.api_version,
            "kind": PHASE_PLUGIN.kind,
            "metadata": {"name": object.name, "uid": uid},
            "status": status,
        }));
        let resource = PHASE_PLUGIN.api_resource();
        let api: Api<PartialObjectMeta<DynamicObject>> =
            Api::namespaced_with(self.client.clone(), &object.namespace, &resource);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = api.patch_status(&object.name, &params, &patch);
        match written.await {
            Ok(answer) => {
                let version = answer.metadata.resource_version.as_deref();
                let plugins = &stores.phase_plugins;
                plugins.amend(object, version, |observed| {
                    observed.with_status(uid, status)
                });
                Ok(())
            }
            // It went meanwhile, or another has taken its place.
            Err(kube::Error::Api(error)) if matches!(error.code, 404 | 409) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What serves now, or what keeps the PhasePlugin from serving as it is; not one a failing attempt.
fn news(before: &PhasePluginStatus, next: &PhasePluginStatus) -> Option<Event> {
    let ready = ready(next)?;
    let known = |ready: &Condition| {
        (
            ready.status.clone(),
            ready.reason.clone(),
            ready.observed_generation,
        )
    };
    let same = self::ready(before).map(known) == Some(known(ready));
    if ready.status == "True" {
        let (plugin, digest) = (next.plugin.as_deref()?, next.last_good_digest.as_deref()?);
        let is_new = !same || before.last_good_digest != next.last_good_digest;
        return is_new.then(|| {
            event(
                EventType::Normal,
                &ready.reason,
                "Serve",
                &format!("{plugin}, {digest}, serves"),
            )
        });
    }
    (!same).then(|| event(EventType::Warning, &ready.reason, "Look", &ready.message))
}

fn ready(status: &PhasePluginStatus) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready")
}

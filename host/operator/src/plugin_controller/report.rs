//! Tells what came of looking at a PhasePlugin: status, Events and a log line, all from the outcome.

use kube::Client;
use kube::runtime::events::{Event, EventType};
use testbench_api::{Condition, PhasePluginStatus};
use testbench_core::resolve::ObjectRef;

use super::observed::ObservedPlugin;
use super::outcome::PluginOutcome;
use super::status;
use crate::events::{Events, event};
use crate::experiment_controller::stores::Stores;
use crate::kinds::PHASE_PLUGIN;
use crate::now;
use crate::write_status::{Written, write_status};

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
        let written = write_status(&self.client, PHASE_PLUGIN, object, uid, &status).await?;
        if let Written::Version(version) = written {
            let plugins = &stores.phase_plugins;
            plugins.amend(object, version.as_deref(), |observed| {
                observed.with_status(uid, status)
            });
        }
        Ok(())
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

//! Tells what came of a reconcile: status, Events and a log line, all from the outcome.

use kube::Client;
use kube::runtime::events::{Event, EventType};
use testbench_api::{Condition, ExperimentStatus, GeneratedResource};
use testbench_core::pipeline::FilledPhase;
use testbench_core::resolve::ObjectRef;

use super::apply::{Why, Written};
use super::observed::Observed;
use super::outcome::{Changes, Outcome};
use super::reconcile::Context;
use super::runs;
use super::status::{self, Subject};
use super::stores::Stores;
use crate::events::{Events, event};
use crate::kinds::{EXPERIMENT, TEST_WORKFLOW};
use crate::now;
use crate::write_status::{self, write_status};

/// Publishes what users want to know.
pub struct Reports {
    client: Client,
    events: Events,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

impl Reports {
    /// Publishes through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            events: Events::new(client.clone()),
            client,
        }
    }

    /// Writes the status where it changed, and publishes Events for what is new.
    ///
    /// # Errors
    ///
    /// Where the status cannot be written. That never hides the outcome, which has been logged by then.
    pub async fn publish(
        &self,
        context: &Context,
        object: &ObjectRef,
        observed: &Observed,
        outcome: &Outcome,
    ) -> Result<(), kube::Error> {
        let existing = existing(&context.stores, &observed.uid);
        let now = now();
        // Testkube tells of workflows in its own namespace, by name.
        let workflows = existing.iter().filter(|one| {
            one.kind == TEST_WORKFLOW.kind && one.namespace == context.testkube_namespace
        });
        let runs: Vec<_> = workflows
            .flat_map(|workflow| context.stores.runs_of(&workflow.name))
            .collect();
        let next = status::next(
            &observed.status,
            outcome,
            Subject {
                generation: observed.generation,
                namespace: &object.namespace,
                testkube_namespace: &context.testkube_namespace,
                existing: &existing,
                runs: &runs::since(observed.created, runs),
                now: &now,
            },
        );
        log(outcome);
        for event in of_changes(&outcome.changes) {
            self.events
                .publish(EXPERIMENT, object, &observed.uid, event)
                .await;
        }
        if next == observed.status {
            return Ok(());
        }
        let problem = new_problem(&observed.status, &next);
        self.write(context, object, &observed.uid, next).await?;
        // Once the status says so: before that, each attempt to write it would tell it again.
        if let Some(event) = problem {
            self.events
                .publish(EXPERIMENT, object, &observed.uid, event)
                .await;
        }
        Ok(())
    }

    async fn write(
        &self,
        context: &Context,
        object: &ObjectRef,
        uid: &str,
        status: ExperimentStatus,
    ) -> Result<(), kube::Error> {
        let written = write_status(&self.client, EXPERIMENT, object, uid, &status).await?;
        if let write_status::Written::Version(version) = written {
            let experiments = &context.stores.experiments;
            experiments.amend(object, version.as_deref(), |observed| {
                observed.with_status(uid, status)
            });
        }
        Ok(())
    }
}

/// What exists of what the Experiment with this UID owns, in the order in which it was written.
fn existing(stores: &Stores, uid: &str) -> Vec<GeneratedResource> {
    let mut existing = Vec::new();
    for watched in stores.all_generated() {
        let kind = watched.kind();
        let mut objects =
            watched.select(|generated| generated.is_owned_by(uid) && !generated.deleting);
        objects.sort_by(|(a, _), (b, _)| a.cmp(b));
        existing.extend(objects.into_iter().map(|(object, _)| GeneratedResource {
            api_version: kind.api_version.to_owned(),
            kind: kind.kind.to_owned(),
            name: object.name,
            namespace: object.namespace,
        }));
    }
    existing
}

/// The span that these lines stand in names the object.
fn log(outcome: &Outcome) {
    let Changes { written, pruned } = &outcome.changes;
    let (written, pruned) = (written.len(), pruned.len());
    match &outcome.result {
        Ok(applied) => {
            log_phases(&applied.phases);
            tracing::info!(written, pruned, "reconciled");
        }
        Err(failure) => {
            tracing::warn!(
                written,
                pruned,
                reason = failure.reason.as_str(),
                why = failure.message.replace('\n', "; "),
                "failed to reconcile"
            );
        }
    }
}

/// What plugins logged, for those who look for it.
fn log_phases(phases: &[FilledPhase]) {
    for phase in phases {
        let (lines, dropped) = &phase.log;
        for line in lines {
            tracing::debug!(phase = phase.name, level = ?line.level, "{}", line.message);
        }
        if *dropped > 0 {
            tracing::debug!(phase = phase.name, dropped, "further lines were dropped");
        }
    }
}

/// That the Experiment is not ready, where that, its reason or the spec is new: not one a failing pass.
fn new_problem(before: &ExperimentStatus, next: &ExperimentStatus) -> Option<Event> {
    let problem = ready(next).filter(|ready| ready.status == "False")?;
    let told = |ready: &Condition| {
        (&ready.status, &ready.reason, ready.observed_generation)
            == (
                &problem.status,
                &problem.reason,
                problem.observed_generation,
            )
    };
    let new = !ready(before).is_some_and(told);
    new.then(|| {
        event(
            EventType::Warning,
            &problem.reason,
            "Reconcile",
            &problem.message,
        )
    })
}

fn ready(status: &ExperimentStatus) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready")
}

fn of_changes(changes: &Changes) -> Vec<Event> {
    let Changes { written, pruned } = changes;
    let names = |is_wanted: fn(&Why) -> bool| {
        let named = written
            .iter()
            .filter(|written| is_wanted(&written.why))
            .map(name);
        named.collect::<Vec<_>>().join(", ")
    };
    let healed = written.iter().filter_map(|written| match &written.why {
        Why::Healed(path) => Some(format!("{} (somebody changed {path})", name(written))),
        Why::Created | Why::Updated => None,
    });
    let changed = written.iter().filter_map(|written| {
        let path = written.changed_by_admission.as_ref()?;
        Some(format!("{} ({path})", name(written)))
    });
    let pruned = pruned
        .iter()
        .map(|pruned| format!("{} {}", pruned.kind, pruned.name));
    let joined = |texts: Vec<String>| texts.join(", ");
    [
        (
            EventType::Normal,
            "Generated",
            "Create",
            "created ",
            names(|why| *why == Why::Created),
        ),
        (
            EventType::Normal,
            "Updated",
            "Update",
            "updated ",
            names(|why| *why == Why::Updated),
        ),
        (
            EventType::Normal,
            "Healed",
            "Heal",
            "put back ",
            joined(healed.collect()),
        ),
        (
            EventType::Normal,
            "Pruned",
            "Delete",
            "deleted what is no longer wanted: ",
            joined(pruned.collect()),
        ),
        (
            EventType::Warning,
            "ChangedByAdmission",
            "Apply",
            "an admission policy changed what was written; it is left so: ",
            joined(changed.collect()),
        ),
    ]
    .into_iter()
    .filter(|(.., objects)| !objects.is_empty())
    .map(|(kind, reason, action, what, objects)| {
        event(kind, reason, action, &format!("{what}{objects}"))
    })
    .collect()
}

fn name(written: &Written) -> String {
    format!("{} {}", written.kind, written.name)
}

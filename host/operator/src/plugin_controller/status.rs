//! The status that follows from an outcome: pure. docs/status.md lists every reason.

use testbench_api::PhasePluginStatus;
use testbench_core::slots::{CustomPhase, Registered};

use super::outcome::{PluginFailure, PluginOutcome, Step};
use crate::conditions::{Conditions, State};

/// The next status: `before` with what `outcome` says.
#[must_use]
pub fn next(
    before: &PhasePluginStatus,
    outcome: &PluginOutcome,
    generation: i64,
    now: &str,
) -> PhasePluginStatus {
    let mut status = before.clone();
    status.observed_generation = Some(generation);
    if outcome.digest.is_some() {
        status.digest.clone_from(&outcome.digest);
    }
    status.resolved_reference.clone_from(&outcome.resolved);
    if let Some(serving) = serving(outcome) {
        let plugin = &serving.plugin;
        let descriptor = plugin.descriptor();
        status.plugin = Some(format!("{} {}", descriptor.name, descriptor.version));
        status.contract = Some(plugin.contract().to_owned());
        status.last_good_digest = Some(plugin.digest().to_owned());
        status.size = u64::try_from(plugin.size()).ok();
    }
    let failure = outcome.failure.as_ref();
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    conditions.set("Ready", Some(ready(outcome)));
    conditions.set("Fetched", Some(reached(failure, Step::Fetch)));
    conditions.set("Compatible", Some(reached(failure, Step::Check)));
    let (reconciling, stalled) = progress(failure);
    conditions.set("Reconciling", reconciling);
    conditions.set("Stalled", stalled);
    status.conditions = conditions.finish();
    status
}

fn serving(outcome: &PluginOutcome) -> Option<&Registered> {
    let CustomPhase { component, .. } = outcome.serving.as_deref()?;
    component.as_deref().ok()
}

fn ready(outcome: &PluginOutcome) -> State {
    let Some(failure) = &outcome.failure else {
        return (
            "True",
            "Serving",
            "the component serves the Experiments that have this phase".to_owned(),
        );
    };
    let meanwhile = match serving(outcome) {
        Some(good) => format!("{} goes on serving", good.plugin.digest()),
        None => "nothing serves meanwhile: Experiments that have this phase keep their last good objects".to_owned(),
    };
    (
        "False",
        failure.reason,
        format!("{}; {meanwhile}", failure.message),
    )
}

/// What is known of one step.
fn reached(failure: Option<&PluginFailure>, step: Step) -> State {
    let done = match step {
        Step::Accept | Step::Fetch => ("Fetched", "the component was fetched"),
        Step::Check => ("Compatible", "the component is one that this host runs"),
    };
    match failure {
        Some(failure) if failure.step == step => ("False", failure.reason, failure.message.clone()),
        Some(failure) if failure.step < step => (
            "Unknown",
            "NotTried",
            "a step before this one failed".to_owned(),
        ),
        _ => ("True", done.0, done.1.to_owned()),
    }
}

/// At most one of `Reconciling` and `Stalled` is there, and none where the plugin serves as it is.
fn progress(failure: Option<&PluginFailure>) -> (Option<State>, Option<State>) {
    let Some(failure) = failure else {
        return (None, None);
    };
    let state = Some(("True", failure.reason, failure.message.clone()));
    if failure.is_transient {
        (state, None)
    } else {
        (None, state)
    }
}

#[cfg(test)]
mod tests {
    use testbench_api::Condition;

    use super::super::outcome::REASONS;
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn status(failure: Option<PluginFailure>) -> Vec<String> {
        let outcome = PluginOutcome {
            digest: None,
            resolved: None,
            serving: None,
            failure,
            next: None,
        };
        let status = next(&PhasePluginStatus::default(), &outcome, 3, NOW);
        assert_eq!(status.observed_generation, Some(3));
        let spelt = |condition: &Condition| {
            format!(
                "{}={}/{}",
                condition.kind, condition.status, condition.reason
            )
        };
        status.conditions.iter().map(spelt).collect()
    }

    #[test]
    fn no_condition_is_true_behind_a_step_that_failed() {
        let failed = |step| status(Some(PluginFailure::lasting(step, "Reason", "why")));
        assert_eq!(
            status(None),
            [
                "Ready=True/Serving",
                "Fetched=True/Fetched",
                "Compatible=True/Compatible"
            ]
        );
        for (step, fetched, compatible) in [
            (Step::Accept, "Unknown/NotTried", "Unknown/NotTried"),
            (Step::Fetch, "False/Reason", "Unknown/NotTried"),
            (Step::Check, "True/Fetched", "False/Reason"),
        ] {
            let expected = [
                "Ready=False/Reason".to_owned(),
                format!("Fetched={fetched}"),
                format!("Compatible={compatible}"),
                "Stalled=True/Reason".to_owned(),
            ];
            assert_eq!(failed(step), expected);
        }
        let transient = PluginFailure::transient(Step::Fetch, "Reason", "why");
        assert!(status(Some(transient)).contains(&"Reconciling=True/Reason".to_owned()));
    }

    #[test]
    fn every_reason_is_documented() {
        let document = include_str!("../../../../docs/status.md");
        for reason in REASONS
            .iter()
            .chain(&["Serving", "Fetched", "Compatible", "NotTried"])
        {
            assert!(
                document.contains(&format!("| `{reason}` |")),
                "docs/status.md lacks a row for {reason}"
            );
        }
    }
}

//! What came of one reconcile. Status, Events, metrics, log lines and the next attempt all follow from this alone, so that they cannot
//! disagree.

use std::time::Duration;

use testbench_core::error::with_causes;
use testbench_core::finding::Finding;
use testbench_core::invoke::PhaseError;
use testbench_core::pipeline::{FilledPhase, StepError};
use testbench_core::resolve::{Endpoint, Lookup};
use testbench_core::slots::SlotError;
use testbench_core::templates::TemplateProblem;
use testbench_engine::FailureKind;

use super::apply::{ApplyError, Written};
use super::prune::{PruneError, Pruned};
use crate::kinds::Kind;

/// What came of one reconcile.
#[derive(Debug)]
pub struct Outcome {
    /// What was found out about the agent; `None` where the Experiment could not even be read.
    pub agent: Option<AgentFound>,
    /// What was written and deleted, also by a reconcile that failed later on.
    pub changes: Changes,
    /// What came of the steps.
    pub result: Result<Applied, Failure>,
}

/// What a reconcile did to the cluster; nothing in a steady state.
#[derive(Debug, Default)]
pub struct Changes {
    /// What was written.
    pub written: Vec<Written>,
    /// What was deleted.
    pub pruned: Vec<Pruned>,
}

/// What is known of the agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentFound {
    /// Where it answers, or would.
    pub endpoint: Endpoint,
    /// Whether the Agent is there.
    pub lookup: Lookup<()>,
}

/// Everything that the Experiment wants is there.
#[derive(Debug)]
pub struct Applied {
    /// `inline` or `dataset`.
    pub mode: &'static str,
    /// Who filled which phase.
    pub phases: Vec<FilledPhase>,
    /// What the user should know.
    pub findings: Vec<Finding>,
    /// A kind without which nobody can tell whether the workflow would run.
    pub missing_kind: Option<Kind>,
    /// Why the workflow would not run as it is meant to.
    pub template_problems: Vec<TemplateProblem>,
}

/// The step that failed. What was there before it is there still.
#[derive(Debug)]
pub struct Failure {
    /// Constant, for conditions, Events and metrics; see [`Reason`].
    pub reason: Reason,
    /// For the user: what is wrong, and what to do.
    pub message: String,
    /// What could make the next attempt better.
    pub retry: Retry,
    /// The phases that gave no contribution, each with its cause in one constant word.
    pub phases: Vec<(String, &'static str)>,
}

/// What could make the next attempt better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Only a change of the Experiment, or of a plugin.
    OnChange,
    /// Something that is watched, and whose coming starts the next attempt.
    OnEvent,
    /// Time: again after a pause that grows.
    BackOff,
    /// A change, most likely; what else could help is outside of every watch, so it is tried again now and then.
    Seldom,
    /// Somebody outside of every watch: again after this long.
    After(Duration),
}

/// How long until somebody else's object is looked at again.
const CONFLICT_RETRY: Duration = Duration::from_secs(10);

/// Why Experiments are not ready. Each is the reason of a condition and of an Event, and a label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The stored object does not fit the API's types.
    Unreadable,
    /// The Experiment makes no sense, in a way that its schema cannot say.
    Invalid,
    /// `spec.phases` names a phase that there is not.
    PhaseNotFound,
    /// `spec.phases` asks for what cannot be.
    InvalidPhases,
    /// A PhasePlugin has no component that could serve.
    PluginUnavailable,
    /// PhasePlugins want the same place, or have none.
    PluginConflict,
    /// A plugin refuses the Experiment.
    PhaseRejected,
    /// A plugin waits for something.
    PhaseWaiting,
    /// A plugin trapped, reached a limit, or answered something that is no contribution.
    PhaseFailed,
    /// What plugins contributed makes no whole, or is not allowed.
    InvalidComposition,
    /// A kind is not installed.
    KindNotInstalled,
    /// Somebody else's object has a name that is needed.
    NameConflict,
    /// Objects of an earlier Experiment of the same name are still there.
    WaitingForDeletion,
    /// Somebody changes an object again and again.
    Contested,
    /// The API server refused a write.
    ApplyFailed,
    /// The API server refused a delete.
    PruneFailed,
    /// The reconcile took too long.
    DeadlineExceeded,
    /// The operator itself has a defect.
    Internal,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 18] = [
        Self::Unreadable,
        Self::Invalid,
        Self::PhaseNotFound,
        Self::InvalidPhases,
        Self::PluginUnavailable,
        Self::PluginConflict,
        Self::PhaseRejected,
        Self::PhaseWaiting,
        Self::PhaseFailed,
        Self::InvalidComposition,
        Self::KindNotInstalled,
        Self::NameConflict,
        Self::WaitingForDeletion,
        Self::Contested,
        Self::ApplyFailed,
        Self::PruneFailed,
        Self::DeadlineExceeded,
        Self::Internal,
    ];

    /// As a condition spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "Unreadable",
            Self::Invalid => "Invalid",
            Self::PhaseNotFound => "PhaseNotFound",
            Self::InvalidPhases => "InvalidPhases",
            Self::PluginUnavailable => "PluginUnavailable",
            Self::PluginConflict => "PluginConflict",
            Self::PhaseRejected => "PhaseRejected",
            Self::PhaseWaiting => "PhaseWaiting",
            Self::PhaseFailed => "PhaseFailed",
            Self::InvalidComposition => "InvalidComposition",
            Self::KindNotInstalled => "KindNotInstalled",
            Self::NameConflict => "NameConflict",
            Self::WaitingForDeletion => "WaitingForDeletion",
            Self::Contested => "Contested",
            Self::ApplyFailed => "ApplyFailed",
            Self::PruneFailed => "PruneFailed",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Internal => "Internal",
        }
    }
}

impl Failure {
    /// An Experiment that does not fit the API's types.
    #[must_use]
    pub fn unreadable(why: &str) -> Self {
        Self {
            reason: Reason::Unreadable,
            message: format!(
                "the stored Experiment does not fit the API: {why}; apply it again, corrected"
            ),
            retry: Retry::OnChange,
            phases: Vec::new(),
        }
    }

    /// A reconcile that took longer than `limit`.
    #[must_use]
    pub fn deadline(limit: Duration) -> Self {
        Self {
            reason: Reason::DeadlineExceeded,
            message: format!(
                "the reconcile took longer than {} s; it is tried again",
                limit.as_secs()
            ),
            retry: Retry::BackOff,
            phases: Vec::new(),
        }
    }

    /// A reconcile that panicked.
    #[must_use]
    pub fn panicked() -> Self {
        Self {
            reason: Reason::Internal,
            message: "the operator panicked; this is a defect of testbench, please report it with the operator's log".to_owned(),
            retry: Retry::BackOff,
            phases: Vec::new(),
        }
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        let (reason, retry) = match &error {
            StepError::Validate(_) => (Reason::Invalid, Retry::OnChange),
            StepError::Slots(errors) => of_slots(errors),
            StepError::Compose(_) => (Reason::InvalidComposition, Retry::OnChange),
            StepError::Invoke(errors) => of_phases(errors),
        };
        Self {
            reason,
            message: with_causes(&error),
            retry,
            phases: causes(&error),
        }
    }
}

fn causes(error: &StepError) -> Vec<(String, &'static str)> {
    let errors = match error {
        StepError::Invoke(errors) => errors.as_slice(),
        StepError::Validate(_) | StepError::Slots(_) | StepError::Compose(_) => &[],
    };
    let causes = errors.iter().map(PhaseError::cause);
    causes
        .map(|(phase, cause)| (phase.to_owned(), cause))
        .collect()
}

/// Several things may be wrong: what a user can help counts before what has to come right by itself.
fn of_slots(errors: &[SlotError]) -> (Reason, Retry) {
    let each = errors.iter().map(|error| match error {
        SlotError::PhaseNotFound { .. } => (0, Reason::PhaseNotFound, Retry::OnChange),
        SlotError::Indispensable { .. }
        | SlotError::Settings { .. }
        | SlotError::UserSettings { .. } => (1, Reason::InvalidPhases, Retry::OnChange),
        SlotError::Replaces { .. } | SlotError::UnknownAnchor { .. } | SlotError::Cycle { .. } => {
            (2, Reason::PluginConflict, Retry::OnEvent)
        }
        SlotError::Unavailable { .. } => (3, Reason::PluginUnavailable, Retry::OnEvent),
    });
    each.min_by_key(|(rank, ..)| *rank).map_or(
        (Reason::InvalidPhases, Retry::OnChange),
        |(_, reason, retry)| (reason, retry),
    )
}

/// Several phases may have failed: a defect counts before a refusal, and that before a wait.
fn of_phases(errors: &[PhaseError]) -> (Reason, Retry) {
    let each = errors.iter().map(|error| match error {
        // A busy machine, or a broken host: the same request may do better later.
        PhaseError::Call { source, .. } if !source.is_repeatable() => {
            (0, Reason::PhaseFailed, Retry::BackOff)
        }
        PhaseError::Call { .. } => (1, Reason::PhaseFailed, Retry::OnChange),
        PhaseError::Refused {
            kind: FailureKind::Rejected,
            ..
        } => (2, Reason::PhaseRejected, Retry::OnChange),
        // What it waits for is in its request, so a change of that starts the next attempt.
        PhaseError::Refused {
            kind: FailureKind::Waiting,
            ..
        } => (3, Reason::PhaseWaiting, Retry::OnEvent),
    });
    each.min_by_key(|(rank, ..)| *rank).map_or(
        (Reason::PhaseFailed, Retry::OnChange),
        |(_, reason, retry)| (reason, retry),
    )
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        let (reason, retry) = match &error {
            ApplyError::KindMissing(_) => (Reason::KindNotInstalled, Retry::OnEvent),
            ApplyError::UnknownKind { .. } => (Reason::InvalidComposition, Retry::OnChange),
            ApplyError::NameConflict { .. } => (Reason::NameConflict, Retry::After(CONFLICT_RETRY)),
            // One that lost its labels is in no watch.
            ApplyError::BeingDeleted { .. } => {
                (Reason::WaitingForDeletion, Retry::After(CONFLICT_RETRY))
            }
            ApplyError::Contested { seconds, .. } => (
                Reason::Contested,
                Retry::After(Duration::from_secs(*seconds)),
            ),
            ApplyError::Api { source, .. } => (Reason::ApplyFailed, after_api_error(source)),
        };
        Self {
            reason,
            message: with_causes(&error),
            retry,
            phases: Vec::new(),
        }
    }
}

impl From<PruneError> for Failure {
    fn from(error: PruneError) -> Self {
        Self {
            reason: Reason::PruneFailed,
            message: with_causes(&error),
            retry: after_api_error(&error.source),
            phases: Vec::new(),
        }
    }
}

/// What the API server finds wrong with an object stays wrong; everything else may pass.
fn after_api_error(error: &kube::Error) -> Retry {
    match error {
        kube::Error::Api(status) => match status.code {
            // Or an admission policy, or the schema of another kind, is corrected.
            400 | 413 | 422 => Retry::Seldom,
            // The Experiment goes with its namespace.
            403 if is_terminating(status) => Retry::OnChange,
            // An undeclared field or a wrong type comes back as 500 without a reason.
            500 if status
                .message
                .contains("failed to create typed patch object") =>
            {
                Retry::Seldom
            }
            _ => Retry::BackOff,
        },
        _ => Retry::BackOff,
    }
}

fn is_terminating(status: &kube::core::Status) -> bool {
    let details = status.details.iter();
    details
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason == "NamespaceTerminating")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_finds_wrong_with_an_object_is_not_tried_again() {
        let api = |code: u16, message: &str| {
            kube::Error::Api(Box::new(kube::core::Status {
                code,
                message: message.to_owned(),
                ..kube::core::Status::default()
            }))
        };
        for (error, retry) in [
            (api(422, "invalid"), Retry::Seldom),
            (
                api(500, "failed to create typed patch object (ns/x; v1)"),
                Retry::Seldom,
            ),
            (api(500, "etcd is down"), Retry::BackOff),
            (api(409, "conflict"), Retry::BackOff),
            (api(429, "slow down"), Retry::BackOff),
            (api(403, "forbidden"), Retry::BackOff),
        ] {
            assert_eq!(after_api_error(&error), retry, "{error}");
        }
    }
}

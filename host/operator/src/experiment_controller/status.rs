//! The status that follows from an outcome: pure, so that every rule can be read, and tested, without a cluster.
//!
//! `Ready` says whether the Experiment can run as it is written; `WorkflowReady` and `AgentResolved` say what it rests on.
//! `Reconciling` and `Stalled` are kstatus': there only while something is going on, or only a user's change helps. docs/status.md
//! lists every reason.

use testbench_api::{
    Condition, Diagnostic, ExperimentStatus, GeneratedResource, PhaseStatus, RecordedAgent,
};
use testbench_core::finding::Finding;
use testbench_core::pipeline::FilledPhase;
use testbench_core::resolve::Lookup;
use testbench_engine::Severity;

use super::outcome::{AgentFound, Applied, Failure, Outcome, Retry};

/// What the status speaks of, beside the outcome.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// `metadata.generation` of the Experiment that was reconciled.
    pub generation: i64,
    /// Namespace of the workflow.
    pub namespace: &'a str,
    /// The only namespace in which Testkube looks for workflows.
    pub testkube_namespace: &'a str,
    /// What exists of what was generated.
    pub existing: &'a [GeneratedResource],
    /// RFC 3339, in whole seconds.
    pub now: &'a str,
}

/// The next status: `before` with what `outcome` says. What a failure cannot speak of stays as it was.
#[must_use]
pub fn next(
    before: &ExperimentStatus,
    outcome: &Outcome,
    subject: Subject<'_>,
) -> ExperimentStatus {
    let Outcome { agent, result } = outcome;
    let mut status = before.clone();
    status.observed_generation = Some(subject.generation);
    status.generated_resources = subject.existing.to_vec();
    if let Some(agent) = agent {
        status.agent_url = Some(agent.endpoint.url.clone());
        status.agent_ref = Some(RecordedAgent {
            name: agent.endpoint.name.clone(),
            namespace: agent.endpoint.namespace.clone(),
        });
    }
    if let Ok(applied) = result {
        status.mode = Some(applied.mode.to_owned());
        status.phases = phases(&applied.phases, &applied.findings);
    }
    let workflow = workflow_ready(result, subject);
    let agent = agent.as_ref().map(agent_resolved);
    let ready = ready(result, &workflow, agent.as_ref());
    let (reconciling, stalled) = progress(result, &ready);

    let mut conditions = Conditions {
        before: &before.conditions,
        kept: before.conditions.clone(),
        generation: subject.generation,
        now: subject.now,
    };
    conditions.set("Ready", Some(ready));
    conditions.set("WorkflowReady", Some(workflow));
    if let Some(agent) = agent {
        conditions.set("AgentResolved", Some(agent));
    }
    conditions.set("Reconciling", reconciling);
    conditions.set("Stalled", stalled);
    status.conditions = conditions.kept;
    status
}

/// `status`, reason and message of a condition.
type State = (&'static str, &'static str, String);

fn workflow_ready(result: &Result<Applied, Failure>, subject: Subject<'_>) -> State {
    match result {
        Err(failure) => (
            "False",
            failure.reason.as_str(),
            format!(
                "{} (the last good workflow, if any, is kept)",
                failure.message
            ),
        ),
        Ok(Applied {
            template_problems, ..
        }) => {
            if subject.namespace != subject.testkube_namespace {
                return (
                    "False",
                    "OutsideTestkubeNamespace",
                    format!(
                        "Testkube looks for workflows in namespace {} only, and this one is in {}: move the Experiment there, or set \
                         --testkube-namespace if Testkube runs elsewhere",
                        subject.testkube_namespace, subject.namespace
                    ),
                );
            }
            // A hidden variable lets the workflow run, if not as it is meant to: that is a warning among the findings.
            let blocking = template_problems
                .iter()
                .find(|problem| problem.keeps_from_running());
            match blocking {
                Some(problem) => ("False", problem.reason(), problem.to_string()),
                None => (
                    "True",
                    "Generated",
                    "the workflow is as the Experiment wants it".to_owned(),
                ),
            }
        }
    }
}

fn agent_resolved(agent: &AgentFound) -> State {
    let AgentFound { endpoint, lookup } = agent;
    let name = format!("{}/{}", endpoint.namespace, endpoint.name);
    match lookup {
        Lookup::Found(_) => (
            "True",
            "AgentFound",
            format!("Agent {name} answers at {}", endpoint.url),
        ),
        Lookup::Absent => (
            "False",
            "AgentNotFound",
            format!(
                "Agent {name} does not exist; a run would call {}: create it, or correct spec.agentRef",
                endpoint.url
            ),
        ),
        Lookup::KindMissing => (
            "Unknown",
            "AgentKindNotInstalled",
            format!(
                "the cluster knows no Agents (or the operator does not watch namespace {}); a run calls {}",
                endpoint.namespace, endpoint.url
            ),
        ),
    }
}

fn ready(
    result: &Result<Applied, Failure>,
    (workflow, workflow_reason, workflow_message): &State,
    agent: Option<&State>,
) -> State {
    if let Err(failure) = result {
        return ("False", failure.reason.as_str(), failure.message.clone());
    }
    if *workflow != "True" {
        return ("False", workflow_reason, workflow_message.clone());
    }
    match agent {
        Some(("False", reason, message)) => ("False", reason, message.clone()),
        _ => (
            "True",
            "Reconciled",
            "everything that the Experiment wants is there".to_owned(),
        ),
    }
}

/// At most one of `Reconciling` and `Stalled` is there, and none where the Experiment is ready.
fn progress(result: &Result<Applied, Failure>, ready: &State) -> (Option<State>, Option<State>) {
    let (status, reason, message) = ready;
    let same = || Some(("True", *reason, message.clone()));
    match result {
        _ if *status == "True" => (None, None),
        Err(Failure {
            retry: Retry::OnChange,
            ..
        }) => (None, same()),
        Err(_) => (same(), None),
        // Moving the Experiment is the user's to do; what is missing may come by itself.
        Ok(_) if *reason == "OutsideTestkubeNamespace" => (None, same()),
        Ok(_) => (same(), None),
    }
}

fn phases(filled: &[FilledPhase], findings: &[Finding]) -> Vec<PhaseStatus> {
    let of = |phase: &FilledPhase| PhaseStatus {
        name: phase.name.clone(),
        plugin: phase.plugin.clone(),
        digest: phase.digest.clone(),
        diagnostics: findings
            .iter()
            .filter(|finding| finding.phase.as_deref() == Some(phase.name.as_str()))
            .map(diagnostic)
            .collect(),
    };
    filled.iter().map(of).collect()
}

fn diagnostic(finding: &Finding) -> Diagnostic {
    Diagnostic {
        severity: match finding.severity {
            Severity::Info => "Info",
            Severity::Warning => "Warning",
        }
        .to_owned(),
        code: finding.code.clone(),
        message: finding.message.clone(),
        path: finding.path.clone(),
    }
}

struct Conditions<'a> {
    before: &'a [Condition],
    kept: Vec<Condition>,
    generation: i64,
    now: &'a str,
}

impl Conditions<'_> {
    /// Sets the condition `kind`, or removes it. The time of its last transition changes with its status only.
    fn set(&mut self, kind: &str, state: Option<State>) {
        let position = self
            .kept
            .iter()
            .position(|condition| condition.kind == kind);
        let Some((status, reason, message)) = state else {
            position.map(|position| self.kept.remove(position));
            return;
        };
        let since = self
            .before
            .iter()
            .find(|condition| condition.kind == kind && condition.status == status)
            .map_or(self.now, |condition| {
                condition.last_transition_time.as_str()
            });
        let condition = Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: since.to_owned(),
            observed_generation: Some(self.generation),
        };
        match position {
            Some(position) => self.kept[position] = condition,
            None => self.kept.push(condition),
        }
    }
}

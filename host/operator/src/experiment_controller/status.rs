//! The status that follows from an outcome: pure, so that every rule can be read, and tested, without a cluster.
//!
//! `Ready` says whether the Experiment can run as it is written; `WorkflowReady` and `AgentResolved` say what it rests on.
//! `Reconciling` and `Stalled` are kstatus': there only while something is going on, or only a user's change helps. docs/status.md
//! lists every reason.

use testbench_api::{Diagnostic, ExperimentStatus, GeneratedResource, PhaseStatus, RecordedAgent};
use testbench_core::finding::{Finding, PHASE_IGNORED};
use testbench_core::pipeline::FilledPhase;
use testbench_core::resolve::Lookup;
use testbench_engine::Severity;

use super::apply::ApplyError;
use super::outcome::{AgentFound, Applied, Failure, Outcome, Reason, Retry};
use super::runs::{self, End, RunEvent};
use crate::conditions::{Conditions, State};
use crate::kinds::AGENT;

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
    /// What Testkube tells of its runs.
    pub runs: &'a [RunEvent],
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
    let Outcome { agent, result, .. } = outcome;
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
    let (last_execution, end) = runs::last(status.last_execution.as_ref(), subject.runs);
    status.last_execution = last_execution;
    let workflow = workflow_ready(result, subject);
    let agent = agent.as_ref().map(agent_resolved);
    let ready = ready(result, &workflow, agent.as_ref());
    let (reconciling, stalled) = progress(result, &ready);

    let mut conditions = Conditions::new(&before.conditions, subject.generation, subject.now);
    conditions.set("Ready", Some(ready));
    conditions.set("WorkflowReady", Some(workflow));
    if let Some(agent) = agent {
        conditions.set("AgentResolved", Some(agent));
    }
    // While the next run goes on, what is known of the one before it stays.
    if let Some(end) = end {
        conditions.set("LastRunSucceeded", Some(last_run_succeeded(end, &status)));
    }
    if let Ok(applied) = result {
        conditions.set("Degraded", degraded(applied));
    }
    conditions.set("Reconciling", reconciling);
    conditions.set("Stalled", stalled);
    status.conditions = conditions.finish();
    status
}

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
            template_problems,
            missing_kind,
            ..
        }) => {
            if let Some(kind) = missing_kind {
                return (
                    "False",
                    Reason::KindNotInstalled.as_str(),
                    ApplyError::KindMissing(*kind).to_string(),
                );
            }
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
            // A hidden variable lets the workflow run, if not as it is meant to: that is a warning in `Degraded`.
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
                "there is no CustomResourceDefinition {}, or the operator does not watch namespace {}; a run calls {}",
                AGENT.crd_name(),
                endpoint.namespace,
                endpoint.url
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

fn last_run_succeeded(end: End, status: &ExperimentStatus) -> State {
    let id = status.last_execution.as_ref().map_or("", |last| &last.id);
    let (succeeded, reason, what) = match end {
        End::Passed => ("True", "RunPassed", "passed"),
        End::Failed => ("False", "RunFailed", "failed"),
        End::Aborted => ("False", "RunAborted", "was aborted by Testkube"),
        End::Canceled => ("False", "RunCanceled", "was canceled"),
    };
    (succeeded, reason, format!("execution {id} {what}"))
}

/// The host's own warnings: the Experiment is ready, and will not do all that its author expects. (What phases have to say stands with
/// the phases, and a missing Agent has a condition of its own.)
fn degraded(applied: &Applied) -> Option<State> {
    let findings = applied.findings.iter().filter(|finding| {
        finding.phase.is_none()
            && finding.severity == Severity::Warning
            && finding.code != "AgentNotFound"
    });
    let mut warnings: Vec<(&str, String)> = findings
        .map(|finding| (finding.code.as_str(), finding.message.clone()))
        .collect();
    let harmless = applied.template_problems.iter();
    let harmless = harmless.filter(|problem| !problem.keeps_from_running());
    warnings.extend(harmless.map(|problem| (problem.reason(), problem.to_string())));
    // Reasons are constant words, so a known one is looked up.
    let reason = WARNINGS
        .iter()
        .find(|known| warnings.first().is_some_and(|(code, _)| code == *known))?;
    let messages: Vec<_> = warnings.into_iter().map(|(_, message)| message).collect();
    Some(("True", reason, messages.join("\n")))
}

/// Every warning of the host that makes an Experiment `Degraded`.
const WARNINGS: &[&str] = &["AiGatewayNotFound", "TemplateHidesVariable", PHASE_IGNORED];

/// At most one of `Reconciling` and `Stalled` is there, and none where the Experiment is ready.
fn progress(result: &Result<Applied, Failure>, ready: &State) -> (Option<State>, Option<State>) {
    let (status, reason, message) = ready;
    let same = || Some(("True", *reason, message.clone()));
    match result {
        _ if *status == "True" => (None, None),
        Err(Failure {
            retry: Retry::OnChange | Retry::Seldom,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use testbench_api::Condition;
    use testbench_core::resolve::{Endpoint, ObjectRef};
    use testbench_core::templates::TemplateProblem;

    use super::super::outcome::Changes;
    use super::*;

    const FIRST: &str = "2026-01-01T00:00:00Z";
    const LATER: &str = "2026-01-01T01:00:00Z";

    fn subject(now: &str) -> Subject<'_> {
        Subject {
            generation: 1,
            namespace: "demo",
            testkube_namespace: "demo",
            existing: &[],
            runs: &[],
            now,
        }
    }

    fn applied() -> Result<Applied, Failure> {
        Ok(Applied {
            mode: "inline",
            phases: Vec::new(),
            findings: Vec::new(),
            missing_kind: None,
            template_problems: Vec::new(),
        })
    }

    fn failed(retry: Retry) -> Result<Applied, Failure> {
        Err(Failure {
            reason: Reason::PhaseFailed,
            message: "phase `run` failed".to_owned(),
            retry,
            phases: Vec::new(),
        })
    }

    fn outcome(result: Result<Applied, Failure>, lookup: Lookup<()>) -> Outcome {
        let endpoint = Endpoint {
            name: "bot".to_owned(),
            namespace: "demo".to_owned(),
            url: "http://bot:8000".to_owned(),
        };
        Outcome {
            agent: Some(AgentFound { endpoint, lookup }),
            changes: Changes::default(),
            result,
        }
    }

    fn found() -> Lookup<()> {
        Lookup::Found(Arc::new(()))
    }

    /// `Ready=True/Reconciled` and so on.
    fn conditions(status: &ExperimentStatus) -> Vec<String> {
        let spelt = |condition: &Condition| {
            format!(
                "{}={}/{}",
                condition.kind, condition.status, condition.reason
            )
        };
        status.conditions.iter().map(spelt).collect()
    }

    #[test]
    fn conditions_follow_from_the_outcome() {
        let missing = TemplateProblem::NotFound {
            used_by: "step `run`".to_owned(),
            template: ObjectRef {
                namespace: "demo".to_owned(),
                name: "run-template".to_owned(),
            },
        };
        let without_template = applied().map(|applied| Applied {
            template_problems: vec![missing],
            ..applied
        });
        for (shows, outcome, expected) in [
            (
                "all well",
                outcome(applied(), found()),
                vec![
                    "Ready=True/Reconciled",
                    "WorkflowReady=True/Generated",
                    "AgentResolved=True/AgentFound",
                ],
            ),
            (
                "no Agent",
                outcome(applied(), Lookup::Absent),
                vec![
                    "Ready=False/AgentNotFound",
                    "WorkflowReady=True/Generated",
                    "AgentResolved=False/AgentNotFound",
                    "Reconciling=True/AgentNotFound",
                ],
            ),
            (
                "no kind Agent",
                outcome(applied(), Lookup::KindMissing),
                vec![
                    "Ready=True/Reconciled",
                    "WorkflowReady=True/Generated",
                    "AgentResolved=Unknown/AgentKindNotInstalled",
                ],
            ),
            (
                "no template",
                outcome(without_template, found()),
                vec![
                    "Ready=False/TemplateNotFound",
                    "WorkflowReady=False/TemplateNotFound",
                    "AgentResolved=True/AgentFound",
                    "Reconciling=True/TemplateNotFound",
                ],
            ),
            (
                "a step failed and is tried again",
                outcome(failed(Retry::BackOff), found()),
                vec![
                    "Ready=False/PhaseFailed",
                    "WorkflowReady=False/PhaseFailed",
                    "AgentResolved=True/AgentFound",
                    "Reconciling=True/PhaseFailed",
                ],
            ),
            (
                "only a change helps",
                outcome(failed(Retry::OnChange), found()),
                vec![
                    "Ready=False/PhaseFailed",
                    "WorkflowReady=False/PhaseFailed",
                    "AgentResolved=True/AgentFound",
                    "Stalled=True/PhaseFailed",
                ],
            ),
        ] {
            let status = next(&ExperimentStatus::default(), &outcome, subject(FIRST));
            assert_eq!(conditions(&status), expected, "{shows}");
            assert_eq!(status.observed_generation, Some(1));
        }
    }

    #[test]
    fn the_hosts_own_warnings_are_told_and_end_with_their_cause() {
        let warned = applied().map(|applied| Applied {
            findings: vec![Finding::warning(
                "AiGatewayNotFound",
                "no gateway".to_owned(),
            )],
            ..applied
        });
        let first = next(
            &ExperimentStatus::default(),
            &outcome(warned, found()),
            subject(FIRST),
        );
        assert_eq!(conditions(&first)[3], "Degraded=True/AiGatewayNotFound");
        assert_eq!(conditions(&first)[0], "Ready=True/Reconciled");
        let well = next(&first, &outcome(applied(), found()), subject(LATER));
        assert_eq!(conditions(&well).len(), 3);
    }

    #[test]
    fn without_the_kind_of_templates_nobody_can_tell_whether_the_workflow_runs() {
        let unknown = applied().map(|applied| Applied {
            missing_kind: Some(crate::kinds::TEMPLATE),
            ..applied
        });
        let status = next(
            &ExperimentStatus::default(),
            &outcome(unknown, found()),
            subject(FIRST),
        );
        assert_eq!(
            conditions(&status)[1],
            "WorkflowReady=False/KindNotInstalled"
        );
        let message = &status.conditions[1].message;
        assert!(
            message.contains("testworkflowtemplates.testworkflows.testkube.io"),
            "{message}"
        );
    }

    #[test]
    fn testkube_looks_in_one_namespace_only() {
        let elsewhere = Subject {
            testkube_namespace: "testkube",
            ..subject(FIRST)
        };
        let status = next(
            &ExperimentStatus::default(),
            &outcome(applied(), found()),
            elsewhere,
        );
        let conditions = conditions(&status);
        assert_eq!(conditions[0], "Ready=False/OutsideTestkubeNamespace");
        assert_eq!(conditions[3], "Stalled=True/OutsideTestkubeNamespace");
    }

    #[test]
    fn a_transition_is_dated_when_it_happens_and_nothing_else_changes_a_steady_status() {
        let well = || outcome(applied(), found());
        let first = next(&ExperimentStatus::default(), &well(), subject(FIRST));
        assert_eq!(next(&first, &well(), subject(LATER)), first);

        let broken = next(
            &first,
            &outcome(failed(Retry::BackOff), found()),
            subject(LATER),
        );
        let since = |status: &ExperimentStatus, kind: &str| {
            let condition = status
                .conditions
                .iter()
                .find(|condition| condition.kind == kind);
            condition.unwrap().last_transition_time.clone()
        };
        assert_eq!(since(&broken, "Ready"), LATER);
        assert_eq!(since(&broken, "AgentResolved"), FIRST);
        // The last good is kept.
        assert_eq!(broken.mode.as_deref(), Some("inline"));
        assert_eq!(broken.agent_url.as_deref(), Some("http://bot:8000"));

        let healed = next(&broken, &well(), subject(LATER));
        assert_eq!(conditions(&healed), conditions(&first));
    }

    /// docs/status.md is what a user has to go by.
    #[test]
    fn every_reason_is_documented() {
        let document = include_str!("../../../../docs/status.md");
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
        let others = [
            "Reconciled",
            "Generated",
            "OutsideTestkubeNamespace",
            "TemplateNotFound",
            "TemplateConfigMissing",
            "AgentFound",
            "AgentNotFound",
            "AgentKindNotInstalled",
            "RunPassed",
            "RunFailed",
            "RunAborted",
            "RunCanceled",
        ];
        for reason in reasons.chain(others).chain(WARNINGS.iter().copied()) {
            assert!(
                document.contains(&format!("| `{reason}` |")),
                "docs/status.md lacks a row for {reason}"
            );
        }
    }
}

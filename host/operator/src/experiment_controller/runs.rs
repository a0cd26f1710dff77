//! What Testkube tells of runs: Events about workflows, `queue-testworkflow`, `start-testworkflow` and
//! `end-testworkflow-{success,failed,aborted,canceled}`, each with the message `executionId=<id>`. (A workflow's own status never
//! names a run.)

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use testbench_api::ExecutionStatus;

use crate::raw::RawObject;

/// One Event about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEvent {
    /// Name of the TestWorkflow.
    pub workflow: String,
    /// Testkube's id of the execution.
    pub id: String,
    /// How far the run is.
    pub stage: Stage,
    /// When, in whole seconds.
    pub at: Timestamp,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It waits.
    Queued,
    /// It goes on.
    Running,
    /// It has ended.
    Ended(End),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Every step passed.
    Passed,
    /// A step failed.
    Failed,
    /// Testkube gave up on it.
    Aborted,
    /// Somebody stopped it.
    Canceled,
}

impl Stage {
    fn of_reason(reason: &str) -> Option<Self> {
        Some(match reason {
            "queue-testworkflow" => Self::Queued,
            "start-testworkflow" => Self::Running,
            "end-testworkflow-success" => Self::Ended(End::Passed),
            "end-testworkflow-failed" => Self::Ended(End::Failed),
            "end-testworkflow-aborted" => Self::Ended(End::Aborted),
            "end-testworkflow-canceled" => Self::Ended(End::Canceled),
            _ => return None,
        })
    }

    /// As Testkube calls it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ended(End::Passed) => "passed",
            Self::Ended(End::Failed) => "failed",
            Self::Ended(End::Aborted) => "aborted",
            Self::Ended(End::Canceled) => "canceled",
        }
    }
}

impl RunEvent {
    /// What matters of a core/v1 Event; `None` for one that tells nothing of a run.
    ///
    /// # Errors
    ///
    /// What does not parse. An Event that tells nothing of a run is no error.
    pub fn read(event: RawObject) -> Result<Option<Self>, String> {
        let content = Value::Object(event.content()?);
        let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str);
        let stage = text("/reason").and_then(Stage::of_reason);
        let id = text("/message").and_then(|message| message.strip_prefix("executionId="));
        let created = event.metadata.creation_timestamp.as_ref();
        let at = ["/lastTimestamp", "/eventTime"]
            .into_iter()
            .find_map(|pointer| text(pointer)?.parse::<Timestamp>().ok())
            .or_else(|| created.map(|time| time.0));
        let (Some(stage), Some(id), Some(workflow), Some(at)) =
            (stage, id, text("/involvedObject/name"), at)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            workflow: workflow.to_owned(),
            id: id.trim().to_owned(),
            stage,
            at,
        }))
    }
}

/// Without the runs of an earlier Experiment of the same name, whose workflow had the same name too.
#[must_use]
pub fn since(created: Option<Timestamp>, mut events: Vec<RunEvent>) -> Vec<RunEvent> {
    events.retain(|event| created.is_none_or(|created| event.at >= created));
    events
}

/// The last run, and how it ended where it has: `before`, with what `events` tell. Events are gone after an hour; what they told stays.
#[must_use]
pub fn last(
    before: Option<&ExecutionStatus>,
    events: &[RunEvent],
) -> (Option<ExecutionStatus>, Option<End>) {
    let Some(newest) = events.iter().max_by_key(|event| (event.at, event.stage)) else {
        return (before.cloned(), None);
    };
    let of_run: Vec<_> = events
        .iter()
        .filter(|event| event.id == newest.id)
        .collect();
    let time_of = |is_wanted: fn(Stage) -> bool| {
        let event = of_run.iter().find(|event| is_wanted(event.stage));
        event.map(|event| spelt(event.at))
    };
    let known = before.filter(|before| before.id == newest.id);
    // A run that ended does not start again: Events of the same second may come in any order.
    let stage = of_run.iter().map(|event| event.stage).max();
    let stage = stage.unwrap_or(newest.stage);
    let started_at = time_of(|stage| stage == Stage::Running);
    let finished_at = time_of(|stage| matches!(stage, Stage::Ended(_)));
    let end = match stage {
        Stage::Ended(end) => Some(end),
        Stage::Queued | Stage::Running => None,
    };
    let last = ExecutionStatus {
        id: newest.id.clone(),
        status: stage.as_str().to_owned(),
        started_at: started_at.or_else(|| known?.started_at.clone()),
        finished_at: finished_at.or_else(|| known?.finished_at.clone()),
    };
    (Some(last), end)
}

fn spelt(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: &str, reason: &str, second: u32) -> RunEvent {
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
            "involvedObject": {"kind": "TestWorkflow", "name": "weather-workflow"},
            "reason": reason, "message": format!("executionId={id}"),
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        });
        RunEvent::read(serde_json::from_str(&event.to_string()).unwrap())
            .unwrap()
            .unwrap()
    }

    fn status(
        id: &str,
        status: &str,
        started: Option<u32>,
        finished: Option<u32>,
    ) -> ExecutionStatus {
        let at = |second: u32| format!("2026-01-01T00:00:{second:02}Z");
        ExecutionStatus {
            id: id.into(),
            status: status.into(),
            started_at: started.map(at),
            finished_at: finished.map(at),
        }
    }

    #[test]
    fn the_last_run_follows_its_events_and_outlives_them() {
        let (queue, start) = ("queue-testworkflow", "start-testworkflow");
        let passed = status("a", "passed", Some(2), Some(9));
        for (shows, before, events, last_run, end) in [
            ("nothing yet", None, vec![], None, None),
            (
                "queued",
                None,
                vec![event("a", queue, 1)],
                Some(status("a", "queued", None, None)),
                None,
            ),
            (
                "started, the queue's Event gone",
                Some(status("a", "queued", None, None)),
                vec![event("a", start, 2)],
                Some(status("a", "running", Some(2), None)),
                None,
            ),
            (
                "ended in the second in which it started",
                None,
                vec![
                    event("a", "end-testworkflow-failed", 2),
                    event("a", start, 2),
                ],
                Some(status("a", "failed", Some(2), Some(2))),
                Some(End::Failed),
            ),
            (
                "ended, the start's Event gone",
                Some(status("a", "running", Some(2), None)),
                vec![event("a", "end-testworkflow-success", 9)],
                Some(passed.clone()),
                Some(End::Passed),
            ),
            (
                "all Events gone",
                Some(passed.clone()),
                vec![],
                Some(passed.clone()),
                None,
            ),
            (
                "the next run",
                Some(passed),
                vec![
                    event("a", "end-testworkflow-success", 9),
                    event("b", start, 20),
                ],
                Some(status("b", "running", Some(20), None)),
                None,
            ),
        ] {
            assert_eq!(last(before.as_ref(), &events), (last_run, end), "{shows}");
        }
    }

    #[test]
    fn runs_of_an_earlier_experiment_of_the_name_do_not_count() {
        let events = || [1, 2, 3].map(|second| event("a", "start-testworkflow", second));
        let created = events()[1].at;
        assert_eq!(since(Some(created), events().to_vec()), events()[1..]);
        assert_eq!(since(None, events().to_vec()), events());
    }

    #[test]
    fn other_events_tell_nothing() {
        for event in [
            json!({"metadata": {"name": "e"}, "reason": "Scheduled", "message": "executionId=a"}),
            json!({"metadata": {"name": "e"}, "reason": "start-testworkflow", "message": "hello"}),
        ] {
            let event = serde_json::from_str(&event.to_string()).unwrap();
            assert_eq!(RunEvent::read(event), Ok(None));
        }
    }
}

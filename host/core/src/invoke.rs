//! Fourth step: calls every assigned plugin with what it asked for, and nothing more.

mod defects;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Map, Value, json};
use testbench_engine::{
    Call, CallError, Contribution, Diagnostic, Engine, Failure, FailureKind, LogLine, Outcome,
};

pub use self::defects::Defects;
use self::defects::RequestKey;
use crate::compose::{Piece, Placement};
use crate::error::with_causes;
use crate::finding::Finding;
use crate::slots::{Assignment, Ignored, Registered};
use crate::validate::{Data, Validated};

/// The key under which the `experiment` slot's plugin emits its ConfigMap.
pub(crate) const EXPERIMENT_KEY: &str = "experiment";

/// What one phase contributed.
#[derive(Debug)]
pub struct Contributed {
    /// The phase's name.
    pub phase: String,
    /// The plugin that filled it.
    pub plugin: Arc<Registered>,
    /// Whether it has a place in the chain, and with that may have steps.
    pub is_placed: bool,
    /// Whether the Experiment goes on without it where it fails.
    pub may_be_ignored: bool,
    /// Its piece.
    pub contribution: Contribution,
    /// What it logged, the first lines.
    pub log: Vec<LogLine>,
    /// How many lines it logged beyond that.
    pub log_dropped: u64,
    /// How long the call took, waiting for its turn included.
    pub took: Duration,
}

impl<'a> From<&'a Contributed> for Piece<'a> {
    fn from(contributed: &'a Contributed) -> Self {
        let Contributed {
            phase,
            plugin,
            is_placed,
            contribution,
            ..
        } = contributed;
        Self {
            phase,
            identity: &plugin.identity,
            grants: &plugin.grants,
            is_placed: *is_placed,
            contribution,
        }
    }
}

/// Why a phase contributed nothing.
#[derive(Debug, thiserror::Error)]
pub enum PhaseError {
    /// The plugin refuses the request, or waits for something.
    #[error("phase `{phase}` {}: {}", verb(*kind), reasons(diagnostics))]
    Refused {
        /// The phase.
        phase: String,
        /// Whether the user can help, or time.
        kind: FailureKind,
        /// The plugin's reasons.
        diagnostics: Vec<Diagnostic>,
    },
    /// The call itself failed: a limit, a trap, an answer that is none.
    #[error("phase `{phase}` failed (plugin {plugin}, {digest})")]
    Call {
        /// The phase.
        phase: String,
        /// Name and version that the plugin gives itself.
        plugin: String,
        /// The component's digest.
        digest: String,
        /// What happened.
        #[source]
        source: Box<CallError>,
    },
}

impl PhaseError {
    /// The phase, and why in one constant word.
    #[must_use]
    pub fn cause(&self) -> (&str, &'static str) {
        match self {
            Self::Refused {
                phase,
                kind: FailureKind::Rejected,
                ..
            } => (phase, "Rejected"),
            Self::Refused {
                phase,
                kind: FailureKind::Waiting,
                ..
            } => (phase, "Waiting"),
            Self::Call { phase, source, .. } => (phase, source.cause()),
        }
    }
}

fn verb(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Rejected => "rejects the Experiment",
        FailureKind::Waiting => "is waiting",
    }
}

pub(crate) fn reasons(diagnostics: &[Diagnostic]) -> String {
    if diagnostics.is_empty() {
        return "it gives no reason".to_owned();
    }
    let reason = |diagnostic: &Diagnostic| match &diagnostic.path {
        Some(path) => format!("{} ({}) at {path}", diagnostic.message, diagnostic.code),
        None => format!("{} ({})", diagnostic.message, diagnostic.code),
    };
    diagnostics
        .iter()
        .map(reason)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What came of all calls.
#[derive(Debug, Default)]
pub struct Invoked {
    /// In the order of the chain.
    pub contributed: Vec<Contributed>,
    /// What the phases have to say.
    pub findings: Vec<Finding>,
    /// Phases that failed, and without which the Experiment goes on.
    pub ignored: Vec<Ignored>,
}

/// Calls all assigned plugins, side by side; none sees another's piece.
///
/// # Errors
///
/// Every phase that failed and may not, in the order of the chain.
pub async fn invoke(
    engine: &Engine,
    defects: &Defects,
    assignments: &[Assignment],
    validated: &Validated,
    placement: &Placement,
) -> Result<Invoked, Vec<PhaseError>> {
    let names = BaseNames::of(assignments, placement);
    let calls = assignments.iter().map(|assignment| {
        let call = call(assignment, validated, placement, &names);
        async move {
            let start = Instant::now();
            let answer = generate(engine, defects, &assignment.plugin, call).await;
            outcome(assignment, answer, start.elapsed())
        }
    });
    let (mut invoked, mut errors) = (Invoked::default(), Vec::new());
    for (assignment, result) in assignments.iter().zip(join_all(calls).await) {
        match result {
            Ok(mut piece) => {
                let diagnostics = std::mem::take(&mut piece.contribution.diagnostics);
                let findings = diagnostics
                    .into_iter()
                    .map(|diagnostic| Finding::of_phase(&piece.phase, diagnostic));
                invoked.findings.extend(findings);
                invoked.contributed.push(piece);
            }
            Err(error) if assignment.may_be_ignored => invoked.ignored.push(Ignored {
                phase: assignment.phase.clone(),
                why: with_causes(&error),
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(invoked)
    } else {
        Err(errors)
    }
}

/// Calls the plugin, unless it has shown a defect on an equal request.
async fn generate(
    engine: &Engine,
    defects: &Defects,
    registered: &Registered,
    call: Call,
) -> Result<Outcome, CallError> {
    let request = RequestKey::of(registered, &call);
    if let Some(known) = defects.recall(&request) {
        return Err(known);
    }
    let answer = engine.generate(&registered.plugin, call).await;
    if let Err(error) = &answer {
        defects.note(request, error);
    }
    answer
}

fn outcome(
    assignment: &Assignment,
    answer: Result<Outcome, CallError>,
    took: Duration,
) -> Result<Contributed, PhaseError> {
    let phase = assignment.phase.clone();
    match answer {
        Ok(Outcome {
            result: Ok(contribution),
            log,
            log_dropped,
            written: _,
            cost: _,
        }) => Ok(Contributed {
            phase,
            plugin: assignment.plugin.clone(),
            is_placed: assignment.is_placed,
            may_be_ignored: assignment.may_be_ignored,
            contribution,
            log,
            log_dropped,
            took,
        }),
        Ok(Outcome {
            result: Err(Failure {
                kind, diagnostics, ..
            }),
            ..
        }) => Err(PhaseError::Refused {
            phase,
            kind,
            diagnostics,
        }),
        Err(source) => {
            let plugin = &assignment.plugin.plugin;
            let descriptor = plugin.descriptor();
            Err(PhaseError::Call {
                phase,
                plugin: format!("{} {}", descriptor.name, descriptor.version),
                digest: plugin.digest().to_owned(),
                source: Box::new(source),
            })
        }
    }
}

/// Names that every plugin may point at.
struct BaseNames {
    workflow: String,
    config_map: Option<String>,
}

impl BaseNames {
    fn of(assignments: &[Assignment], placement: &Placement) -> Self {
        let experiment = assignments
            .iter()
            .find(|assignment| assignment.phase == EXPERIMENT_KEY);
        Self {
            workflow: placement.workflow_name(),
            config_map: experiment
                .and_then(|a| placement.object_name(&a.plugin.identity, EXPERIMENT_KEY)),
        }
    }
}

fn call(
    assignment: &Assignment,
    validated: &Validated,
    placement: &Placement,
    names: &BaseNames,
) -> Call {
    let registered = &assignment.plugin;
    let (naming, identity) = (placement.clone(), registered.identity.clone());
    Call {
        phase: assignment.phase.clone(),
        namespace: placement.namespace.clone(),
        settings: assignment.settings.clone(),
        input: input(&registered.plugin.descriptor().inputs, validated, names),
        object_names: Arc::new(move |key| naming.object_name(&identity, key)),
        holder: validated.experiment.namespace.clone(),
        limits: registered.limits,
    }
}

/// What each assigned plugin is sent as `request.input`, by phase, without calling it.
#[must_use]
pub fn inputs(
    assignments: &[Assignment],
    validated: &Validated,
    placement: &Placement,
) -> Vec<(String, Value)> {
    let names = BaseNames::of(assignments, placement);
    assignments
        .iter()
        .map(|assignment| {
            let call = call(assignment, validated, placement, &names);
            (call.phase, call.input)
        })
        .collect()
}

/// The base, and what the plugin asked for of the rest. docs/contract.md describes every key.
fn input(wanted: &[String], validated: &Validated, names: &BaseNames) -> Value {
    let experiment = &validated.experiment;
    let mut input = json!({
        "experiment": {"name": experiment.name, "namespace": experiment.namespace, "labels": experiment.labels},
        "agent": validated.agent,
        "mode": validated.data.mode(),
        "workflowName": names.workflow,
        "configMapName": names.config_map,
    });
    if let Value::Object(document) = &mut input {
        let named = INPUTS
            .iter()
            .filter(|input| wanted.iter().any(|name| name == input.name));
        document.extend(
            named.filter_map(|input| Some((input.name.to_owned(), (input.read)(validated)?))),
        );
    }
    input
}

/// One key that a plugin may ask for.
struct Input {
    name: &'static str,
    /// Its value; `None` leaves the key out.
    read: fn(&Validated) -> Option<Value>,
}

/// Every key that a plugin may ask for.
const INPUTS: &[Input] = &[
    Input {
        name: "aiGateway",
        read: |v| v.ai_gateway.as_ref().map(|gateway| json!(gateway)),
    },
    Input {
        name: "dataset",
        read: |v| match &v.data {
            Data::Dataset(source) => Some(json!(source)),
            Data::Inline(_) => None,
        },
    },
    Input {
        name: "env",
        read: |v| Some(json!(v.env)),
    },
    Input {
        name: "otel",
        read: |v| v.otel.as_ref().map(|otel| json!(otel)),
    },
    Input {
        name: "scenarios",
        read: |v| match &v.data {
            Data::Inline(scenarios) => Some(json!(scenarios)),
            Data::Dataset(_) => None,
        },
    },
    Input {
        name: "schedule",
        read: |v| v.schedule.as_ref().map(|schedule| json!(schedule)),
    },
    Input {
        name: "scoring",
        read: |v| Some(json!(v.scoring)).filter(|scoring| scoring.as_object() != Some(&Map::new())),
    },
    Input {
        name: "suspend",
        read: |v| Some(v.suspend.into()),
    },
    Input {
        name: "trigger",
        read: |v| {
            let trigger = v.trigger.as_ref()?;
            Some(json!({"event": trigger.event, "concurrencyPolicy": trigger.concurrency_policy}))
                .map(without_nulls)
        },
    },
];

fn without_nulls(mut object: Value) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

/// Every key that a plugin may ask for in its descriptor's `inputs`.
pub fn input_keys() -> impl Iterator<Item = &'static str> {
    INPUTS.iter().map(|input| input.name)
}

/// The keys that `wanted` names and that no input has: a plugin asking for one cannot be served by this host.
#[must_use]
pub fn unknown_inputs(wanted: &[String]) -> Vec<&str> {
    wanted
        .iter()
        .map(String::as_str)
        .filter(|name| INPUTS.iter().all(|input| input.name != *name))
        .collect()
}

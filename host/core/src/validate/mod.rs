//! Second step: what the schema cannot say about an Experiment, and one shape for all spellings of the same thing.

mod schedule;

use serde::Serialize;
use serde_json::Value;
use testbench_api::{Dataset, ExperimentSpec, PhaseTuning, S3Source, Scenario, Schedule, Trigger};

use crate::experiment::Experiment;
use crate::finding::Finding;
use crate::resolve::{Endpoint, OtelEndpoint, Resolved};

/// A resolved Experiment that makes sense: what all later steps read.
#[derive(Debug)]
pub struct Validated {
    /// `metadata.name`, namespace, UID and labels are read from here; its spec is spelt out in the other fields.
    pub experiment: Experiment,
    /// Where scenarios come from.
    pub data: Data,
    /// How scenarios are judged, beside what each metric says itself.
    pub scoring: Scoring,
    /// The agent under evaluation.
    pub agent: Endpoint,
    /// The gateway to the judge's model.
    pub ai_gateway: Option<Endpoint>,
    /// Where traces go.
    pub otel: Option<OtelEndpoint>,
    /// `spec.env`, as the API spells it.
    pub env: Vec<Value>,
    /// When the workflow runs by itself.
    pub schedule: Option<Schedule>,
    /// The trigger, where it is enabled.
    pub trigger: Option<Trigger>,
    /// Tuning of phases by name.
    pub phases: Vec<PhaseTuning>,
    /// No new runs.
    pub suspend: bool,
    /// Remarks so far.
    pub findings: Vec<Finding>,
}

/// Where scenarios come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// The Experiment holds them.
    Inline(Vec<Scenario>),
    /// The setup phase fetches them when the workflow runs.
    Dataset(DatasetSource),
}

/// Where the setup phase fetches scenarios from, as plugins see it in `input.dataset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DatasetSource {
    /// Over HTTP.
    Url(String),
    /// From a bucket.
    S3(S3Source),
}

/// How scenarios are judged, as plugins see it in `input.scoring`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scoring {
    /// The judge's model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_as_a_judge_model: Option<String>,
    /// Threshold of a metric that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_threshold: Option<f64>,
}

impl Data {
    /// `inline` or `dataset`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Data::Inline(_) => "inline",
            Data::Dataset(_) => "dataset",
        }
    }
}

/// One thing in an Experiment that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Invalid {
    /// Where in the Experiment, as the API server spells it.
    pub path: String,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl Invalid {
    fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

/// Checks what the schema cannot say, and maps the first operator's `dataset.inline` to the flat spelling.
///
/// # Errors
///
/// Everything that makes no sense, in the order of the spec's fields.
pub fn validate(resolved: Resolved) -> Result<Validated, Vec<Invalid>> {
    let Resolved {
        experiment,
        agent,
        agent_lookup: _,
        ai_gateway,
        otel,
        findings,
    } = resolved;
    let mut invalid = Vec::new();
    // Spelt out, so that a new field cannot be forgotten here.
    let ExperimentSpec {
        agent_ref: _,
        ai_gateway_ref: _,
        scenarios,
        dataset,
        llm_as_a_judge_model,
        default_threshold,
        env,
        otlp_endpoint: _,
        trigger,
        schedule,
        phases,
        suspend,
    } = experiment.spec.clone();

    let flat = Scoring {
        llm_as_a_judge_model,
        default_threshold,
    };
    let data = data(scenarios, dataset, flat, &mut invalid);
    invalid.extend(schedule.iter().flat_map(schedule::check));
    let env = env
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<Vec<_>, _>>();
    if let Err(error) = &env {
        invalid.push(Invalid::new("spec.env", format!("failed to read: {error}")));
    }
    match (data, env) {
        (Some((data, scoring)), Ok(env)) if invalid.is_empty() => Ok(Validated {
            experiment,
            data,
            scoring,
            agent,
            ai_gateway,
            otel,
            env,
            schedule,
            trigger: trigger.filter(|trigger| trigger.enabled.unwrap_or(false)),
            phases,
            suspend: suspend.unwrap_or(false),
            findings,
        }),
        _ => Err(invalid),
    }
}

/// The one source of scenarios, and how they are judged.
fn data(
    scenarios: Option<Vec<Scenario>>,
    dataset: Option<Dataset>,
    flat: Scoring,
    invalid: &mut Vec<Invalid>,
) -> Option<(Data, Scoring)> {
    match (scenarios, dataset) {
        (Some(scenarios), None) => Some((Data::Inline(scenarios), flat)),
        (
            None,
            Some(Dataset {
                url: Some(url),
                s3: None,
                inline: None,
            }),
        ) => Some((Data::Dataset(DatasetSource::Url(url)), flat)),
        (
            None,
            Some(Dataset {
                url: None,
                s3: Some(s3),
                inline: None,
            }),
        ) => Some((Data::Dataset(DatasetSource::S3(s3)), flat)),
        (
            None,
            Some(Dataset {
                url: None,
                s3: None,
                inline: Some(inline),
            }),
        ) => {
            let nested = Scoring {
                llm_as_a_judge_model: inline.llm_as_a_judge_model,
                default_threshold: inline.default_threshold,
            };
            same_or_one(&flat, &nested, invalid);
            let scoring = Scoring {
                llm_as_a_judge_model: flat.llm_as_a_judge_model.or(nested.llm_as_a_judge_model),
                default_threshold: flat.default_threshold.or(nested.default_threshold),
            };
            Some((Data::Inline(inline.scenarios), scoring))
        }
        // The schema refuses these; an object that was stored under an older schema may still say so.
        (Some(_), Some(_)) | (None, None) => {
            invalid.push(Invalid::new(
                "spec",
                "expected exactly one of `scenarios` and `dataset`; set one of them",
            ));
            None
        }
        (None, Some(_)) => {
            invalid.push(Invalid::new(
                "spec.dataset",
                "expected exactly one of `url`, `s3` and `inline`; set one of them",
            ));
            None
        }
    }
}

/// `dataset.inline` beside flat values: the same, or an error, since nobody can tell which is meant.
fn same_or_one(flat: &Scoring, nested: &Scoring, invalid: &mut Vec<Invalid>) {
    let mut differ = |key: &str, flat: Option<String>, nested: Option<String>| {
        if let (Some(flat), Some(nested)) = (flat, nested)
            && flat != nested
        {
            invalid.push(Invalid::new(
                &format!("spec.dataset.inline.{key}"),
                format!("is {nested}, but spec.{key} is {flat}; remove one of them"),
            ));
        }
    };
    differ(
        "llmAsAJudgeModel",
        flat.llm_as_a_judge_model.clone(),
        nested.llm_as_a_judge_model.clone(),
    );
    differ(
        "defaultThreshold",
        flat.default_threshold.map(|t| t.to_string()),
        nested.default_threshold.map(|t| t.to_string()),
    );
}

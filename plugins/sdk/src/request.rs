//! What a phase is given.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::bindings::testbench::phase::types as wire;
use crate::{Diagnostic, EnvVar, Failure};

/// One call of a phase.
#[derive(Clone, Debug)]
pub struct Request<S> {
    /// The slot under which the host runs this plugin, for example `evaluate`.
    pub phase: String,
    /// Namespace of the generated objects.
    pub namespace: String,
    /// The merged settings, valid against the descriptor's schema; the host fills no defaults in, serde does.
    pub settings: S,
    /// The Experiment and its surroundings.
    pub input: Input,
}

impl<S: DeserializeOwned> Request<S> {
    pub(crate) fn parse(request: wire::Request) -> Result<Self, Failure> {
        Ok(Self {
            phase: request.phase,
            namespace: request.namespace,
            settings: parse("/settings", &request.settings)?,
            input: parse("/input", &request.input)?,
        })
    }
}

fn parse<T: DeserializeOwned>(path: &str, json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| unreadable(path, &error))
}

/// Only a host of another contract, or a settings type that is narrower than its schema, can cause this.
fn unreadable(path: &str, error: &serde_json::Error) -> Failure {
    let message = format!("expected what this plugin's types describe, found: {error}");
    Failure::rejected_with(Diagnostic::warning("UnreadableRequest", message).at(path))
}

/// The document `request.input`: the base, and what the descriptor's `inputs` asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The Experiment itself.
    pub experiment: Experiment,
    /// The agent under test.
    pub agent: Agent,
    /// Where the scenarios come from.
    pub mode: Mode,
    /// Name of the generated TestWorkflow.
    pub workflow_name: String,
    /// Name of the generated ConfigMap.
    pub config_map_name: String,

    /// `scenarios`: in inline mode only.
    pub scenarios: Option<Scenarios>,
    /// `scoring`: when the Experiment sets any of it.
    pub scoring: Option<Scoring>,
    /// `dataset`: in dataset mode only.
    pub dataset: Option<Dataset>,
    /// `env`: the Experiment's own variables.
    #[serde(default)]
    pub env: Vec<EnvVar>,
    /// `aiGateway`: when the Experiment refers to one.
    pub ai_gateway: Option<AiGateway>,
    /// `otel`: when there is an endpoint for telemetry.
    pub otel: Option<Otel>,
    /// `schedule`: when the Experiment runs by itself.
    pub schedule: Option<Schedule>,
    /// `suspend`: whether no new run must start by itself.
    #[serde(default)]
    pub suspend: bool,
    /// `trigger`: when a change of the agent starts a run.
    pub trigger: Option<Trigger>,
}

/// Which Experiment this is.
#[derive(Clone, Debug, Deserialize)]
pub struct Experiment {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.labels`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The agent under test.
#[derive(Clone, Debug, Deserialize)]
pub struct Agent {
    /// Name of the Agent, and of its Deployment and Service.
    pub name: String,
    /// Namespace of the Agent.
    pub namespace: String,
    /// Where it answers, with the path, without the agent card's.
    pub url: String,
}

/// Where the scenarios come from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They stand in the Experiment.
    Inline,
    /// The setup phase fetches them while the workflow runs.
    Dataset,
}

/// The scenarios, spelled as in the Experiment. Kept as text: they may be large, and only the plugin knows which of it
/// to read.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Scenarios(Box<RawValue>);

impl Scenarios {
    /// The list as `Vec<T>`: your own struct with the fields that you need, or [`Value`] for all of them.
    ///
    /// # Errors
    /// When a scenario does not have the shape of `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        parse("/input/scenarios", self.0.get())
    }
}

/// How answers are judged.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scoring {
    /// Model that judges.
    pub llm_as_a_judge_model: Option<String>,
    /// Threshold of metrics without their own, 0 to 1.
    pub default_threshold: Option<serde_json::Number>,
}

/// Where a dataset lies.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dataset {
    /// To be fetched from here.
    Url(String),
    /// An object in S3-compatible storage.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
    },
}

/// A gateway to language models.
#[derive(Clone, Debug, Deserialize)]
pub struct AiGateway {
    /// Name of the AiGateway.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where it answers.
    pub url: String,
}

/// The endpoint for telemetry.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Otel {
    /// The endpoint itself.
    Value(String),
    /// Where it stands, in the namespace of the workflow.
    ConfigMapKeyRef {
        /// Name of the ConfigMap.
        name: String,
        /// Key in its data.
        key: String,
    },
}

/// When the workflow runs by itself; checked by the host.
#[derive(Clone, Debug, Deserialize)]
pub struct Schedule {
    /// As Testkube reads it: five fields or `@every 5m` and the like.
    pub cron: String,
    /// IANA name; absent means the cluster's.
    pub timezone: Option<String>,
}

/// How a change of the agent starts a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Testkube's event, for example `deployment-image-update`.
    pub event: Option<String>,
    /// What happens to a run that is still going on.
    pub concurrency_policy: Option<ConcurrencyPolicy>,
}

/// What a trigger does while a run is going on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum ConcurrencyPolicy {
    /// Starts another.
    Allow,
    /// Starts none.
    Forbid,
    /// Ends it and starts another.
    Replace,
}

impl<S: DeserializeOwned> Request<S> {
    /// A request from two documents, to test a phase with; [`crate::testing`] has shorter ways.
    ///
    /// # Errors
    /// As in a real call: when a document does not have the shape of its type.
    pub fn from_json(namespace: &str, settings: &Value, input: &Value) -> Result<Self, Failure> {
        Self::parse(wire::Request {
            phase: "test".to_owned(),
            namespace: namespace.to_owned(),
            settings: settings.to_string(),
            input: input.to_string(),
        })
    }
}

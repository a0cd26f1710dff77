#![allow(
    clippy::duplicated_attributes,
    reason = "a custom resource has several printer columns, and several of one type"
)]

use serde::{Deserialize, Serialize};

#[cfg(feature = "crd")]
use crate::status::ExperimentStatus;
use crate::{Dataset, EnvVar, FreeForm, Scenario};

/// What to evaluate, with which data, and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "crd",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "testbench.agentic-layer.ai",
        version = "v1alpha1",
        kind = "Experiment",
        namespaced,
        status = "ExperimentStatus",
        shortname = "exp",
        category = "testbench",
        doc = "The evaluation of an AI agent: it becomes a ConfigMap with the scenarios, a TestWorkflow that runs them, and, where wanted, a TestTrigger.",
        printcolumn(name = "Agent", type_ = "string", json_path = ".spec.agentRef.name"),
        printcolumn(name = "Mode", type_ = "string", json_path = ".status.mode"),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = r#".status.conditions[?(@.type=="Ready")].status"#
        ),
        printcolumn(
            name = "Workflow ready",
            type_ = "string",
            json_path = r#".status.conditions[?(@.type=="WorkflowReady")].status"#
        ),
        printcolumn(name = "Trigger", type_ = "boolean", json_path = ".spec.trigger.enabled"),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    ),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "has(self.scenarios) != has(self.dataset)",
        "message": "set exactly one of scenarios (the scenarios themselves) and dataset (where to find them)"
    }]))
)]
pub struct ExperimentSpec {
    /// The agent under evaluation.
    pub agent_ref: AgentRef,
    /// The gateway through which metrics reach the judge's model. Without one, and without an OPENAI_BASE_URL of your own in env,
    /// nothing is scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ai_gateway_ref: Option<AiGatewayRef>,
    /// The scenarios to run, each a conversation with the agent. Exactly one of scenarios and dataset is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 1000), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
    )))]
    pub scenarios: Option<Vec<Scenario>>,
    /// Where to fetch scenarios from when the workflow runs. Exactly one of scenarios and dataset is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Dataset>,
    /// The model that judges answers, for example `gemini-2.5-flash-lite`. Used with scenarios; a url or s3 dataset brings its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 253)))]
    pub llm_as_a_judge_model: Option<String>,
    /// The score, from 0 to 1, that a metric without a threshold of its own has to reach; 0.9 where it is not set. Used with
    /// scenarios; a url or s3 dataset brings its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 1)))]
    pub default_threshold: Option<f64>,
    /// Environment variables of every phase. They win over what the operator would set under the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 200)))]
    pub env: Vec<EnvVar>,
    /// Where traces and results go: the URL of an OTLP collector, for example `http://collector.monitoring:4318`. Without it, the key
    /// OTEL_EXPORTER_OTLP_ENDPOINT of a ConfigMap otel-config beside the Experiment counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 2048)))]
    pub otlp_endpoint: Option<String>,
    /// Runs the experiment when the agent's Deployment changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Runs the experiment at set times, whatever the trigger does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Tunes single phases. A phase that is not listed runs with its defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
    )))]
    pub phases: Vec<PhaseTuning>,
    /// No new runs while true: no schedule, no trigger. What exists is kept, and repaired if somebody changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Names an Agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct AgentRef {
    /// Name of the Agent, which its Deployment and Service share.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Namespace of the Agent; the Experiment's own where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub namespace: Option<String>,
}

/// Names an AiGateway. Only name and namespace count; the other keys of an ObjectReference are accepted and ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct AiGatewayRef {
    /// Name of the AiGateway, which its Service shares.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Namespace of the AiGateway; the Experiment's own where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub namespace: Option<String>,
    /// Ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_path: Option<String>,
    /// Ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// When the agent's Deployment changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Trigger {
    /// Whether there is a trigger at all; false where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The change that counts; `modified` where it is not set, which fires when the Deployment is scaled, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<TriggerEvent>,
    /// What happens to a run that still goes on when the trigger fires again; Allow where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,
}

/// A change of a Deployment, as Testkube names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
#[allow(
    missing_docs,
    reason = "the names say it, and a description each would turn the schema's enum into alternatives"
)]
pub enum TriggerEvent {
    Created,
    Modified,
    Deleted,
    DeploymentScaleUpdate,
    DeploymentImageUpdate,
    DeploymentEnvUpdate,
    DeploymentContainersModified,
    DeploymentGenerationModified,
    DeploymentResourceModified,
}

/// What happens to a run that still goes on: both go on, the new one is dropped, or the old one is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
#[allow(
    missing_docs,
    reason = "the enum's description says it, and one each would turn the schema's enum into alternatives"
)]
pub enum ConcurrencyPolicy {
    Allow,
    Forbid,
    Replace,
}

/// Set times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Schedule {
    /// Minute, hour, day of the month, month and weekday (0 to 6, Sunday is 0), for example `0 3 * * 1-5`; or one of @hourly, @daily,
    /// @weekly, @monthly, @yearly, `@every 90m`.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 256)))]
    pub cron: String,
    /// An IANA time zone, for example `Europe/Berlin`; Testkube's own where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub timezone: Option<String>,
}

/// Tunes one phase for this Experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PhaseTuning {
    /// The phase: experiment, workflow, setup, run, evaluate, publish, visualize or trigger, or the name of a phase of your own.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub name: String,
    /// False leaves the phase out. The phases experiment, workflow and run cannot be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Settings of the phase; each phase describes its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::crd::free_form"))]
    pub settings: Option<FreeForm>,
}

use serde::{Deserialize, Serialize};

/// What the operator has made of the Experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ExperimentStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where scenarios come from: inline or dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The state in detail: Ready, WorkflowReady, AgentResolved, LastRunSucceeded, Degraded, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"],
    )))]
    pub conditions: Vec<Condition>,
    /// The objects that exist because of this Experiment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generated_resources: Vec<GeneratedResource>,
    /// The URL under which the run phase reaches the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_url: Option<String>,
    /// The agent for which agentUrl was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_ref: Option<RecordedAgent>,
    /// Which plugin filled which phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
    )))]
    pub phases: Vec<PhaseStatus>,
    /// The most recent run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_execution: Option<ExecutionStatus>,
}

/// One aspect of the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Condition {
    /// The aspect.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one word for a machine.
    pub reason: String,
    /// Why, and what to do, for a person.
    pub message: String,
    /// When status changed last.
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub last_transition_time: String,
    /// The generation of the spec that this condition speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// An object that exists because of this Experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct GeneratedResource {
    /// Its apiVersion.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// An agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct RecordedAgent {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// A phase, and what filled it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PhaseStatus {
    /// Name of the phase.
    pub name: String,
    /// Name and version that the plugin gives itself.
    pub plugin: String,
    /// Digest of the plugin's component.
    pub digest: String,
    /// What the plugin has to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

/// What a plugin has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Diagnostic {
    /// Info or Warning.
    pub severity: String,
    /// In one word, for a machine.
    pub code: String,
    /// For a person.
    pub message: String,
    /// What it is about: a JSON Pointer into the plugin's request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ExecutionStatus {
    /// Testkube's id of the execution.
    pub id: String,
    /// How it went.
    pub status: String,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("format" = "date-time")))]
    pub finished_at: Option<String>,
}

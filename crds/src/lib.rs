//! The API: `Experiment` and `PhasePlugin` (`testbench.agentic-layer.ai/v1alpha1`).
//!
//! The types are plain serde, so that everything may use them. With the feature `crd` they are a custom resource too, and
//! [`crds_yaml`] gives the CustomResourceDefinitions. Doc comments are what `kubectl explain` shows.

#[cfg(feature = "crd")]
mod crd;
mod dataset;
mod env;
mod experiment;
mod phase_plugin;
mod status;

#[cfg(feature = "crd")]
pub use self::crd::{CrdError, crds_yaml, experiment_crd, phase_plugin_crd};
pub use self::dataset::{
    Dataset, FreeForm, InlineDataset, Metric, Reference, S3Source, Scenario, Step, ToolCall,
};
pub use self::env::{
    ConfigMapKeySelector, EnvVar, EnvVarSource, FileKeySelector, ObjectFieldSelector,
    ResourceFieldSelector, SecretKeySelector,
};
#[cfg(feature = "crd")]
pub use self::experiment::Experiment;
pub use self::experiment::{
    AgentRef, AiGatewayRef, ConcurrencyPolicy, ExperimentSpec, PhaseTuning, Schedule, Trigger,
    TriggerEvent,
};
#[cfg(feature = "crd")]
pub use self::phase_plugin::PhasePlugin;
pub use self::phase_plugin::{
    AllowedBeyond, AllowedKind, BundledSource, ConfigMapSource, FailurePolicy, LabelExpression,
    LabelOperator, LabelSelector, OciSource, PhasePluginSpec, PhasePluginStatus, PluginLimits,
    PluginPlacement, PluginSource, SecretRef, Slot, UserSettings,
};
pub use self::status::{
    Condition, Diagnostic, ExecutionStatus, ExperimentStatus, GeneratedResource, PhaseStatus,
    RecordedAgent,
};

/// The CustomResourceDefinition of Experiment as it is installed.
pub const EXPERIMENT_CRD: &str = include_str!("../experiments.testbench.agentic-layer.ai.yaml");
/// The CustomResourceDefinition of PhasePlugin as it is installed.
pub const PHASE_PLUGIN_CRD: &str = include_str!("../phaseplugins.testbench.agentic-layer.ai.yaml");

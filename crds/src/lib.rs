//! The API: `Experiment` (`testbench.agentic-layer.ai/v1alpha1`).
//!
//! The types are plain serde, so that everything may use them. With the feature `crd` they are a custom resource too, and
//! [`experiment_crd_yaml`] gives the CustomResourceDefinition. Doc comments are what `kubectl explain` shows.

#[cfg(feature = "crd")]
mod crd;
mod dataset;
mod env;
mod experiment;
mod status;

#[cfg(feature = "crd")]
pub use self::crd::{CrdError, experiment_crd, experiment_crd_yaml};
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
pub use self::status::{
    Condition, Diagnostic, ExecutionStatus, ExperimentStatus, GeneratedResource, PhaseStatus,
    RecordedAgent,
};

/// The CustomResourceDefinition as it is installed: what `testbench crd` prints.
pub const EXPERIMENT_CRD: &str = include_str!("../experiments.testbench.agentic-layer.ai.yaml");

//! The Experiment as the pipeline reads it: its identity and its spec, apart from any Kubernetes client.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use testbench_api::{ExperimentSpec, ExperimentStatus};

/// `apiVersion` of our kinds.
pub const API_VERSION: &str = "testbench.agentic-layer.ai/v1alpha1";
/// The kind that this operator turns into objects.
pub const KIND: &str = "Experiment";

/// The namespace of an object whose manifest names none, as kubectl has it without further configuration.
pub const DEFAULT_NAMESPACE: &str = "default";

/// One Experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`; only the API server gives one.
    pub uid: Option<String>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// What the user wants.
    pub spec: ExperimentSpec,
    /// What the operator has recorded so far.
    pub status: ExperimentStatus,
}

#[derive(Deserialize)]
struct Manifest {
    metadata: Metadata,
    spec: ExperimentSpec,
    #[serde(default)]
    status: ExperimentStatus,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    uid: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Experiment {
    /// Reads a manifest that the API's schema has accepted.
    ///
    /// # Errors
    ///
    /// Where the manifest does not fit the types, which after the schema's check is a defect of this program.
    pub fn from_manifest(manifest: Value) -> Result<Self, serde_json::Error> {
        let Manifest {
            metadata:
                Metadata {
                    name,
                    namespace,
                    uid,
                    labels,
                },
            spec,
            status,
        } = serde_json::from_value(manifest)?;
        let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        Ok(Self {
            name,
            namespace,
            uid,
            labels,
            spec,
            status,
        })
    }
}

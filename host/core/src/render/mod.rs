//! The pipeline without a cluster: manifests in files stand for what the API server holds.

mod manifests;
mod plugins;
#[cfg(test)]
mod properties;

pub use self::manifests::{FileReferences, Located, ManifestError, Manifests, Source};
pub use self::plugins::{GivenComponent, PluginFileError, PluginFiles};
use std::sync::Arc;

use crate::admission::{Refusal, Schema, SchemaError};
use crate::config::Config;
use crate::experiment::Experiment;
use crate::pipeline::{self, Desired, Host, StepError};
use crate::placement::placement;
use crate::resolve::resolve;
use crate::slots::{CustomPhase, serving, why_unused};

/// Renders Experiments as the operator would, with files in place of watches.
#[derive(Debug)]
pub struct Renderer {
    /// Engine and bundled plugins.
    pub host: Host,
    /// What the administrator allows.
    pub config: Config,
    /// PhasePlugins of all namespaces.
    pub custom: Vec<Arc<CustomPhase>>,
    /// The API's schema, as the API server enforces it.
    pub schema: Schema,
    /// What Experiments may refer to.
    pub references: FileReferences,
    /// The namespace that the operator would run in.
    pub operator_namespace: String,
}

/// Why an Experiment gives no objects.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The API server would not take it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused(Vec<Refusal>),
    /// The schema took it and the types did not: a defect of this program.
    #[error(
        "failed to read an Experiment that its schema accepts; this is a defect of testbench, please report it"
    )]
    Types(#[source] serde_json::Error),
    /// The operator would report this in the status.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl RenderError {
    /// Everything that is wrong, a line each, with causes.
    #[must_use]
    pub fn explain(&self) -> String {
        crate::error::with_causes(self)
    }
}

impl Renderer {
    /// Without PhasePlugins, and with what the administrator allows by default.
    ///
    /// # Errors
    ///
    /// Where the API's own schema is none, which is a defect of this program.
    pub fn new(
        host: Host,
        references: FileReferences,
        operator_namespace: &str,
    ) -> Result<Self, SchemaError> {
        Ok(Self {
            host,
            config: Config::default(),
            custom: Vec::new(),
            schema: Schema::experiment()?,
            references,
            operator_namespace: operator_namespace.to_owned(),
        })
    }

    /// The objects that the cluster would get from one Experiment's manifest.
    ///
    /// # Errors
    ///
    /// What the API server or the operator would say of it.
    pub async fn render(&self, manifest: serde_json::Value) -> Result<Desired, RenderError> {
        let admitted = self.schema.admit(manifest).map_err(RenderError::Refused)?;
        let experiment = Experiment::from_manifest(admitted).map_err(RenderError::Types)?;
        let placement = placement(&experiment);
        let host = self.host_of(&experiment.namespace);
        let resolved = resolve(experiment, &self.references, &self.operator_namespace);
        Ok(pipeline::desired(&host, resolved, &self.references, &placement).await?)
    }

    /// A line for each PhasePlugin that serves nobody.
    pub fn unused_plugins(&self) -> impl Iterator<Item = String> {
        self.custom.iter().filter_map(|custom| {
            let (own, tenants) = (&self.operator_namespace, self.config.plugins.tenants);
            let exists = |object: &_| self.custom.iter().any(|other| other.object == *object);
            let why = why_unused(&custom.object, own, tenants, exists)?;
            Some(format!("{custom} is not used: {why}"))
        })
    }

    /// With the PhasePlugins that serve Experiments in `namespace`.
    fn host_of(&self, namespace: &str) -> Host {
        let tenants = self.config.plugins.tenants;
        let custom = serving(&self.custom, namespace, &self.operator_namespace, tenants);
        Host {
            catalog: self.host.catalog.with(custom),
            ..self.host.clone()
        }
    }
}

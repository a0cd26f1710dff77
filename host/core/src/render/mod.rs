//! The pipeline without a cluster: manifests in files stand for what the API server holds.

mod manifests;
#[cfg(test)]
mod properties;

pub use self::manifests::{FileReferences, Located, ManifestError, Manifests, Source};
use crate::admission::{Refusal, Schema};
use crate::experiment::Experiment;
use crate::pipeline::{self, Desired, Host, StepError};
use crate::placement::placement;
use crate::resolve::resolve;

/// Renders Experiments as the operator would, with files in place of watches.
#[derive(Debug)]
pub struct Renderer {
    /// Engine and plugins.
    pub host: Host,
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
    /// The objects that the cluster would get from one Experiment's manifest.
    ///
    /// # Errors
    ///
    /// What the API server or the operator would say of it.
    pub async fn render(&self, manifest: serde_json::Value) -> Result<Desired, RenderError> {
        let admitted = self.schema.admit(manifest).map_err(RenderError::Refused)?;
        let experiment = Experiment::from_manifest(admitted).map_err(RenderError::Types)?;
        let placement = placement(&experiment);
        let resolved = resolve(experiment, &self.references, &self.operator_namespace);
        Ok(pipeline::desired(&self.host, resolved, &self.references, &placement).await?)
    }
}

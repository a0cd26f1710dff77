//! What the caches keep of objects: what is decided upon, and nothing that changes for other reasons.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{DynamicObject, ObjectMeta, PartialObjectMeta};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use testbench_api::ExperimentStatus;
use testbench_core::experiment::{API_VERSION, Experiment, KIND};

use super::managed_fields::applied_by_us;
use crate::raw::RawObject;

pub use testbench_core::compose::PHASE_LABEL;

/// Annotation on generated objects: the hash of what was applied.
pub use testbench_core::compose::HASH_ANNOTATION;

/// An Experiment as the cluster holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.creationTimestamp`, in whole seconds.
    pub created: Option<Timestamp>,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// `metadata.annotations`, which a user may change to be heard.
    annotations: std::collections::BTreeMap<String, String>,
    /// What the pipeline reads, or why it cannot be read: it may have been stored under another schema.
    pub experiment: Result<Experiment, String>,
    /// What we have reported so far.
    pub status: ExperimentStatus,
}

impl Observed {
    /// # Errors
    ///
    /// Never: an Experiment that cannot be read has to be told so.
    pub fn read(object: RawObject) -> Result<Self, String> {
        let content = object.content();
        // A status that does not parse is another version's; the next one replaces it.
        let status = object
            .field("status")
            .and_then(|status| serde_json::from_value(status).ok())
            .unwrap_or_default();
        Ok(Self {
            uid: object.uid().unwrap_or_default(),
            created: object.creation_timestamp().map(|time| time.0),
            generation: object.metadata.generation.unwrap_or_default(),
            deleting: object.metadata.deletion_timestamp.is_some(),
            annotations: object.annotations().clone(),
            experiment: content.and_then(|content| experiment(&object, content, &status)),
            status,
        })
    }

    /// With the status that was just written for the Experiment with this UID; `None` where this is another.
    #[must_use]
    pub fn with_status(&self, uid: &str, status: ExperimentStatus) -> Option<Self> {
        if self.uid != uid {
            return None;
        }
        let mut observed = self.clone();
        if let Ok(experiment) = &mut observed.experiment {
            experiment.status = status.clone();
        }
        observed.status = status;
        Some(observed)
    }

    /// Whether there is something new to do, beside what our own status says.
    #[must_use]
    pub fn differs_in_what_is_wanted(&self, other: &Self) -> bool {
        let labels = |observed: &Self| {
            let experiment = observed.experiment.as_ref();
            experiment.map(|experiment| experiment.labels.clone()).ok()
        };
        self.uid != other.uid
            || self.generation != other.generation
            || self.deleting != other.deleting
            || self.annotations != other.annotations
            || labels(self) != labels(other)
    }
}

fn experiment(
    object: &RawObject,
    mut content: Map<String, Value>,
    status: &ExperimentStatus,
) -> Result<Experiment, String> {
    let metadata = json!({
        "name": object.name_any(),
        "namespace": object.namespace(),
        "uid": object.uid(),
        "labels": object.labels(),
    });
    content.insert("metadata".to_owned(), metadata);
    // It has been read already, whatever it holds.
    content.remove("status");
    let manifest = Value::Object(content);
    let mut experiment = Experiment::from_manifest(manifest).map_err(|error| error.to_string())?;
    experiment.status = status.clone();
    Ok(experiment)
}

/// A generated object as its metadata shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// The phase that generated it.
    pub phase: Option<String>,
    /// The hash of what we applied last.
    pub hash: Option<String>,
    /// The Experiment that owns it as its controller.
    pub owner: Option<Owner>,
    /// Whether anything at all owns it as its controller.
    pub controlled: bool,
    /// The fields that we own.
    pub owned: Value,
}

/// Others have kinds of this name too.
fn is_experiment(owner: &OwnerReference) -> bool {
    let group = |api_version: &str| api_version.split('/').next().map(str::to_owned);
    owner.kind == KIND && group(&owner.api_version) == group(API_VERSION)
}

/// An Experiment as an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Generated {
    /// What matters of an object's metadata.
    #[must_use]
    pub fn of(metadata: &ObjectMeta) -> Self {
        let owners = metadata.owner_references.iter().flatten();
        let owner = owners
            .filter(|owner| owner.controller == Some(true) && is_experiment(owner))
            .map(|owner| Owner {
                name: owner.name.clone(),
                uid: owner.uid.clone(),
            })
            .next();
        let annotations = metadata.annotations.as_ref();
        let labels = metadata.labels.as_ref();
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            phase: labels.and_then(|labels| labels.get(PHASE_LABEL).cloned()),
            hash: annotations.and_then(|annotations| annotations.get(HASH_ANNOTATION).cloned()),
            owner,
            controlled: metadata
                .owner_references
                .iter()
                .flatten()
                .any(|owner| owner.controller == Some(true)),
            owned: applied_by_us(metadata.managed_fields.as_deref().unwrap_or_default()),
        }
    }

    /// # Errors
    ///
    /// Never; metadata always parses.
    pub fn read(object: PartialObjectMeta<DynamicObject>) -> Result<Self, String> {
        Ok(Self::of(&object.metadata))
    }

    /// Whether we applied it, and somebody has taken its owner away since.
    #[must_use]
    pub fn lost_its_owner(&self) -> bool {
        !self.controlled
            && self
                .owned
                .as_object()
                .is_some_and(|owned| !owned.is_empty())
    }

    /// Whether the Experiment with this UID owns it as its controller.
    #[must_use]
    pub fn is_owned_by(&self, uid: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.uid == uid)
    }
}

/// The few fields of an object that matter.
///
/// # Errors
///
/// What does not parse.
pub fn fields<T: DeserializeOwned>(object: RawObject) -> Result<T, String> {
    serde_json::from_value(object.content()?.into()).map_err(|error| error.to_string())
}

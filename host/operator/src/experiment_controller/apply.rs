//! Writes what is wanted, and nothing that is there already: server-side apply under our own field manager.
//!
//! Guarantees: an object that is not this Experiment's is never touched. An object that is as wanted costs no request. Objects are
//! written in the order in which they depend on each other, and the first that fails ends it: what comes later never points at what
//! is not there.

use std::time::Instant;

use kube::api::{
    Api, DynamicObject, ListParams, PartialObjectMeta, Patch, PatchParams, ValidationDirective,
};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use testbench_api::GeneratedResource;
use testbench_core::compose::{DesiredObject, HASH_ANNOTATION};
use testbench_core::resolve::{Lookup, ObjectRef};

use super::healing::Healing;
use super::managed_fields::{FIELD_MANAGER, first_uncovered};
use super::observed::Generated;
use super::stores::Stores;
use crate::kinds::{EXPERIMENT, Kind};
use crate::watch::{Listing, Watched};

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Why it was written.
    pub why: Why,
    /// The first field that came back with another value than was written: an admission policy changed it.
    pub changed_by_admission: Option<String>,
}

/// Why an object was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It was not there.
    Created,
    /// Something else is wanted now.
    Updated,
    /// Somebody changed the field at this path.
    Healed(String),
}

/// Why an object was not written. Objects before it were.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The cluster does not know the kind.
    #[error("kind {} is not installed: there is no CustomResourceDefinition {}; install it", .0.kind, .0.crd_name())]
    KindMissing(Kind),
    /// A contribution of a kind that the operator does not write, which the policy should have refused.
    #[error("{api_version} {kind} is no kind that this operator writes")]
    UnknownKind {
        /// `apiVersion` of the object.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// Somebody else's object has the name.
    #[error(
        "{} {object} exists and is not this Experiment's; it is left as it is: rename or delete it, or rename the Experiment", kind.kind
    )]
    NameConflict {
        /// Kind of the object.
        kind: Kind,
        /// Which one.
        object: ObjectRef,
    },
    /// An object of an Experiment of the same name, which was deleted, is still there.
    #[error(
        "{} {object} is still being deleted, of this Experiment or of an earlier one of this name; it is written again when that is done", kind.kind
    )]
    BeingDeleted {
        /// Kind of the object.
        kind: Kind,
        /// Which one.
        object: ObjectRef,
    },
    /// Somebody changes the object again and again.
    #[error(
        "somebody changes {} {object} again and again, at `{path}`; it is put back with growing pauses: find out who, with `kubectl get \
         {} {} -n {} -o yaml --show-managed-fields`, and make them leave it alone", kind.kind, kind.plural, object.name, object.namespace
    )]
    Contested {
        /// Kind of the object.
        kind: Kind,
        /// Which one.
        object: ObjectRef,
        /// The field, or `metadata` where the whole object is deleted.
        path: Box<str>,
        /// Seconds until it is put back, rounded up.
        seconds: u64,
    },
    /// The API server refuses the write.
    #[error("failed to apply {} {object}", kind.kind)]
    Api {
        /// Kind of the object.
        kind: Kind,
        /// Which one.
        object: ObjectRef,
        /// What the API server says.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Writes `objects` of the Experiment called `experiment`, whose UID is `uid` and whose status has `recorded` what it owns. What was
/// written goes into `written`, also before an error.
///
/// # Errors
///
/// The first object that cannot be written. Where the Experiment is deleted meanwhile, what comes next is left out.
pub async fn apply(
    client: &Client,
    stores: &Stores,
    experiment: &str,
    uid: &str,
    recorded: &[GeneratedResource],
    objects: &[DesiredObject],
    written: &mut Vec<Written>,
) -> Result<(), ApplyError> {
    for object in objects {
        let owner = ObjectRef {
            namespace: object.namespace().to_owned(),
            name: experiment.to_owned(),
        };
        // Deleted meanwhile: what would be written now would only have to be collected.
        if stores.is_going(&owner, uid) {
            break;
        }
        let watched = stores
            .generated(object.api_version(), object.kind())
            .ok_or_else(|| ApplyError::UnknownKind {
                api_version: object.api_version().to_owned(),
                kind: object.kind().to_owned(),
            })?;
        let one = One {
            client,
            healing: &stores.healing,
            watched,
            experiment,
            uid,
            recorded: recorded.iter().any(|recorded| is_same(recorded, object)),
            wanted: &object.manifest,
            object: ObjectRef {
                namespace: object.namespace().to_owned(),
                name: object.name().to_owned(),
            },
        };
        written.extend(one.apply().await?);
    }
    Ok(())
}

fn is_same(recorded: &GeneratedResource, object: &DesiredObject) -> bool {
    let GeneratedResource {
        api_version,
        kind,
        name,
        namespace,
    } = recorded;
    (
        api_version.as_str(),
        kind.as_str(),
        name.as_str(),
        namespace.as_str(),
    ) == (
        object.api_version(),
        object.kind(),
        object.name(),
        object.namespace(),
    )
}

/// One object on its way into the cluster.
struct One<'a> {
    client: &'a Client,
    healing: &'a Healing,
    watched: &'a Watched<Generated>,
    experiment: &'a str,
    uid: &'a str,
    /// Whether the Experiment has owned it before.
    recorded: bool,
    wanted: &'a Value,
    object: ObjectRef,
}

impl One<'_> {
    async fn apply(&self) -> Result<Option<Written>, ApplyError> {
        if self.watched.listing() == Listing::KindMissing {
            return Err(ApplyError::KindMissing(self.watched.kind()));
        }
        match self.watched.get(&self.object) {
            Lookup::Found(present) => self.update(&present).await,
            Lookup::Absent | Lookup::KindMissing => self.create().await,
        }
    }

    async fn create(&self) -> Result<Option<Written>, ApplyError> {
        // An object that was there may be gone because its owner is, and the watch of Experiments may be behind that of objects.
        if self.recorded && !self.owner_is_there().await? {
            return Ok(None);
        }
        if self.recorded {
            self.ask_to_heal("metadata")?;
        }
        // With this resource version the API server creates an absent object and refuses to touch a present one.
        match self.write(json!({"resourceVersion": "1"})).await {
            Ok(answer) => Ok(Some(self.written(Why::Created, &answer))),
            // The cache holds only what bears our labels: the object may be ours, without them.
            Err(kube::Error::Api(status)) if status.code == 409 => self.update_as_it_is().await,
            Err(source) => Err(self.failed(source)),
        }
    }

    /// As the API server knows it now.
    async fn owner_is_there(&self) -> Result<bool, ApplyError> {
        let (namespace, resource) = (&self.object.namespace, EXPERIMENT.api_resource());
        let experiments: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &resource);
        let by_name = ListParams::default().fields(&format!("metadata.name={}", self.experiment));
        let found = experiments.list_metadata(&by_name).await;
        let found = found.map_err(|source| self.failed(source))?;
        let is_owner = |experiment: &PartialObjectMeta<DynamicObject>| {
            let metadata = &experiment.metadata;
            metadata.uid.as_deref() == Some(self.uid) && metadata.deletion_timestamp.is_none()
        };
        Ok(found.items.iter().any(is_owner))
    }

    async fn update(&self, present: &Generated) -> Result<Option<Written>, ApplyError> {
        match self.try_update(present).await? {
            Ok(written) => Ok(written),
            // Somebody was faster: that is nobody's mistake, and no failure.
            Err(kube::Error::Api(status)) if status.code == 409 => self.update_as_it_is().await,
            Err(source) => Err(self.failed(source)),
        }
    }

    /// As the API server holds it now, whatever the cache says.
    async fn update_as_it_is(&self) -> Result<Option<Written>, ApplyError> {
        let found = self.api().get_metadata_opt(&self.object.name).await;
        let Some(found) = found.map_err(|source| self.failed(source))? else {
            let created = self.write(json!({"resourceVersion": "1"})).await;
            let answer = created.map_err(|source| self.failed(source))?;
            return Ok(Some(self.written(Why::Created, &answer)));
        };
        let present = Generated::of(&found.metadata);
        let written = self.try_update(&present).await?;
        let written = written.map_err(|source| self.failed(source))?;
        if written.is_none() {
            let version = found.metadata.resource_version.as_deref();
            self.watched.put(self.object.clone(), version, present);
        }
        Ok(written)
    }

    async fn try_update(
        &self,
        present: &Generated,
    ) -> Result<Result<Option<Written>, kube::Error>, ApplyError> {
        self.check_owner(present)?;
        let Some(why) = due(present, self.wanted) else {
            return Ok(Ok(None));
        };
        if let Why::Healed(path) = &why {
            self.ask_to_heal(path)?;
        }
        let exactly = json!({"uid": present.uid, "resourceVersion": present.resource_version});
        let answer = self.write(exactly).await;
        Ok(answer.map(|answer| Some(self.written(why, &answer))))
    }

    fn ask_to_heal(&self, path: &str) -> Result<(), ApplyError> {
        let (kind, object) = (self.watched.kind(), &self.object);
        let asked = self.healing.ask(kind, object, Instant::now());
        asked.map_err(|pause| ApplyError::Contested {
            kind,
            object: object.clone(),
            path: path.into(),
            seconds: pause.as_secs() + 1,
        })
    }

    fn check_owner(&self, present: &Generated) -> Result<(), ApplyError> {
        let (kind, object) = (self.watched.kind(), self.object.clone());
        let is_ours = present.is_owned_by(self.uid);
        let was_namesakes = present
            .owner
            .as_ref()
            .is_some_and(|owner| owner.name == self.experiment);
        match (is_ours, was_namesakes) {
            (true, _) if present.deleting => Err(ApplyError::BeingDeleted { kind, object }),
            (true, _) => Ok(()),
            // The owner is a field of ours too. An object of an Experiment that was deleted without it is in no status.
            (false, _) if self.recorded && present.lost_its_owner() => Ok(()),
            (false, true) => Err(ApplyError::BeingDeleted { kind, object }),
            (false, false) => Err(ApplyError::NameConflict { kind, object }),
        }
    }

    /// `exactly` says which state of the object the write is meant for.
    async fn write(&self, exactly: Value) -> Result<DynamicObject, kube::Error> {
        let mut manifest = self.wanted.clone();
        if let (Some(metadata), Value::Object(exactly)) =
            (manifest["metadata"].as_object_mut(), exactly)
        {
            metadata.extend(exactly);
        }
        let mut params = PatchParams::apply(FIELD_MANAGER).force();
        params.field_validation = Some(ValidationDirective::Strict);
        self.api()
            .patch(&self.object.name, &params, &Patch::Apply(manifest))
            .await
    }

    fn written(&self, why: Why, answer: &DynamicObject) -> Written {
        self.watched.put(
            self.object.clone(),
            answer.metadata.resource_version.as_deref(),
            Generated::of(&answer.metadata),
        );
        Written {
            kind: self.watched.kind().kind,
            name: self.object.name.clone(),
            why,
            changed_by_admission: first_difference(self.wanted, &whole(answer), String::new()),
        }
    }

    fn api(&self) -> Api<DynamicObject> {
        let resource = self.watched.kind().api_resource();
        Api::namespaced_with(self.client.clone(), &self.object.namespace, &resource)
    }

    fn failed(&self, source: kube::Error) -> ApplyError {
        ApplyError::Api {
            kind: self.watched.kind(),
            object: self.object.clone(),
            source: Box::new(source),
        }
    }
}

/// Whether, and why, `wanted` has to be applied over `present`.
fn due(present: &Generated, wanted: &Value) -> Option<Why> {
    let hash = wanted["metadata"]["annotations"][HASH_ANNOTATION].as_str();
    if present.hash.as_deref() != hash {
        return Some(match first_uncovered(&present.owned, wanted) {
            // Somebody wrote the annotation itself.
            Some(path) if path.ends_with(HASH_ANNOTATION) => Why::Healed(path),
            _ => Why::Updated,
        });
    }
    first_uncovered(&present.owned, wanted).map(Why::Healed)
}

fn whole(object: &DynamicObject) -> Value {
    let mut whole = object.data.clone();
    whole["metadata"] = json!({
        "name": object.name_any(),
        "namespace": object.namespace(),
        "labels": object.labels(),
        "annotations": object.annotations(),
        "ownerReferences": object.owner_references(),
    });
    if let Some(types) = &object.types {
        whole["apiVersion"] = types.api_version.clone().into();
        whole["kind"] = types.kind.clone().into();
    }
    whole
}

/// The path of the first field of `wanted` that `found` holds differently. What `found` has beyond it is others'.
fn first_difference(wanted: &Value, found: &Value, path: String) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().find_map(|(key, value)| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            match found.get(key) {
                Some(found) => first_difference(value, found, path),
                None => Some(path),
            }
        }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let pairs = wanted.iter().zip(found).enumerate();
            pairs
                .map(|(i, (wanted, found))| first_difference(wanted, found, format!("{path}[{i}]")))
                .find_map(|difference| difference)
        }
        (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => None,
        _ if wanted == found => None,
        _ => Some(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(hash: &str, owned: Value) -> Generated {
        Generated {
            uid: "u".into(),
            resource_version: "1".into(),
            deleting: false,
            phase: None,
            hash: Some(hash.into()),
            owner: None,
            controlled: false,
            owned,
        }
    }

    #[test]
    fn a_write_is_due_when_something_else_is_wanted_or_something_was_taken() {
        let annotation = "testbench.agentic-layer.ai/applied-hash";
        assert_eq!(annotation, HASH_ANNOTATION);
        let wanted = json!({"metadata": {"annotations": {annotation: "new"}}, "data": {"a": "b"}});
        let all = json!({
            "f:metadata": {"f:annotations": {format!("f:{annotation}"): {}}},
            "f:data": {"f:a": {}},
        });
        let without_data =
            json!({"f:metadata": {"f:annotations": {format!("f:{annotation}"): {}}}});
        let without_hash = json!({"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {}}});
        for (hash, owned, why) in [
            ("new", all.clone(), None),
            ("old", all, Some(Why::Updated)),
            ("new", without_data, Some(Why::Healed("data".into()))),
            (
                "forged",
                without_hash,
                Some(Why::Healed("metadata.annotations".into())),
            ),
        ] {
            let found = due(&present(hash, owned), &wanted);
            match (&found, &why) {
                // Which of the two it is called matters to nobody when the annotation itself was written over.
                (Some(_), Some(Why::Healed(path))) if path == "metadata.annotations" => {}
                _ => assert_eq!(found, why),
            }
        }
    }

    #[test]
    fn what_comes_back_differently_is_found_and_what_others_added_is_not() {
        let wanted = json!({"spec": {"steps": [{"name": "a", "n": 1}]}});
        for (found, path) in [
            (
                json!({"spec": {"steps": [{"name": "a", "n": 1.0, "x": 1}], "y": 2}}),
                None,
            ),
            (
                json!({"spec": {"steps": [{"name": "b", "n": 1}]}}),
                Some("spec.steps[0].name"),
            ),
            (json!({"spec": {"steps": []}}), Some("spec.steps")),
            (json!({}), Some("spec")),
        ] {
            assert_eq!(
                first_difference(&wanted, &found, String::new()).as_deref(),
                path
            );
        }
    }
}

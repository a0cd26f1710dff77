//! Writes the status of our own objects: by server-side apply, and never that of an object that has taken another's name.

use kube::Client;
use kube::api::{Api, DynamicObject, PartialObjectMeta, Patch, PatchParams};
use serde::Serialize;
use serde_json::json;
use testbench_core::resolve::ObjectRef;

use crate::experiment_controller::managed_fields::FIELD_MANAGER;
use crate::kinds::Kind;

/// What became of a status.
pub(crate) enum Written {
    /// It was written, and the object has this version now.
    Version(Option<String>),
    /// The object went meanwhile, or another has taken its place.
    Gone,
}

/// Writes `status` of the object with this UID.
///
/// # Errors
///
/// What the API server says, where the object is there.
pub(crate) async fn write_status(
    client: &Client,
    kind: Kind,
    object: &ObjectRef,
    uid: &str,
    status: &impl Serialize,
) -> Result<Written, kube::Error> {
    // The UID keeps it from an object of the same name that has taken the place of this one.
    let patch = Patch::Apply(json!({
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": object.name, "uid": uid},
        "status": status,
    }));
    // Of the answer only that it is one: an object may be too deep to be read.
    let resource = kind.api_resource();
    let api: Api<PartialObjectMeta<DynamicObject>> =
        Api::namespaced_with(client.clone(), &object.namespace, &resource);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&object.name, &params, &patch).await {
        Ok(answer) => Ok(Written::Version(answer.metadata.resource_version)),
        Err(kube::Error::Api(error)) if matches!(error.code, 404 | 409) => Ok(Written::Gone),
        Err(error) => Err(error),
    }
}

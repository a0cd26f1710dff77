//! Deletes what an Experiment no longer wants, and nothing that is not its own.

use std::collections::BTreeSet;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Preconditions};
use testbench_api::GeneratedResource;
use testbench_core::compose::DesiredObject;
use testbench_core::resolve::ObjectRef;

use super::observed::Generated;
use super::stores::Stores;
use crate::kinds::Kind;
use crate::watch::{Listing, Watched};

/// An object that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// Why an object that is no longer wanted is still there.
#[derive(Debug, thiserror::Error)]
#[error("failed to delete {} {object}, which is no longer wanted", kind.kind)]
pub struct PruneError {
    /// Its kind.
    pub kind: Kind,
    /// Which one.
    pub object: ObjectRef,
    /// What the API server says.
    #[source]
    pub source: Box<kube::Error>,
}

/// Everything that an Experiment wants.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The objects themselves.
    pub objects: &'a [DesiredObject],
    /// Phases that failed, and whose objects stay as they are meanwhile.
    pub kept_phases: &'a [String],
}

/// Deletes what the Experiment with this `uid` owns beside `wanted`, which has to be everything that it wants. `recorded` is what its
/// status says it owns: an object that lost its labels is found there alone. What was deleted goes into `pruned`, also before an error.
///
/// # Errors
///
/// The first object that cannot be deleted.
pub async fn prune(
    client: &Client,
    stores: &Stores,
    uid: &str,
    wanted: Wanted<'_>,
    recorded: &[GeneratedResource],
    pruned: &mut Vec<Pruned>,
) -> Result<(), PruneError> {
    // The trigger goes before the workflow that it starts, and that before its data.
    for watched in stores.all_generated().rev() {
        // Of a kind that is not installed there are no objects.
        if watched.listing() != Listing::Listed {
            continue;
        }
        let kind = watched.kind();
        let kept = wanted.kept_phases;
        let wanted: BTreeSet<_> = wanted
            .objects
            .iter()
            .filter(|object| object.kind() == kind.kind)
            .map(|object| ObjectRef {
                namespace: object.namespace().to_owned(),
                name: object.name().to_owned(),
            })
            .collect();
        let failed = |object: &ObjectRef, source| PruneError {
            kind,
            object: object.clone(),
            source: Box::new(source),
        };
        for (object, present) in inventory(client, watched, uid, recorded, &wanted)
            .await
            .map_err(|(object, source)| failed(&object, source))?
        {
            if present
                .phase
                .as_ref()
                .is_some_and(|phase| kept.contains(phase))
            {
                continue;
            }
            let deleted = delete(client, kind, &object, uid, &present).await;
            let deleted = deleted.map_err(|source| failed(&object, source))?;
            watched.take_out(&object);
            if deleted {
                pruned.push(Pruned {
                    kind: kind.kind,
                    name: object.name,
                });
            }
        }
    }
    Ok(())
}

type Inventory = Vec<(ObjectRef, Generated)>;

/// What the Experiment owns of one kind and does not want.
async fn inventory(
    client: &Client,
    watched: &Watched<Generated>,
    uid: &str,
    recorded: &[GeneratedResource],
    wanted: &BTreeSet<ObjectRef>,
) -> Result<Inventory, (ObjectRef, kube::Error)> {
    let kind = watched.kind();
    let labelled = watched.select(|generated| generated.is_owned_by(uid));
    let mut inventory: Inventory = labelled
        .into_iter()
        .filter(|(object, present)| !wanted.contains(object) && !present.deleting)
        .map(|(object, present)| (object, (*present).clone()))
        .collect();
    let recorded = recorded
        .iter()
        .filter(|resource| resource.api_version == kind.api_version && resource.kind == kind.kind)
        .map(|resource| ObjectRef {
            namespace: resource.namespace.clone(),
            name: resource.name.clone(),
        })
        .filter(|object| !wanted.contains(object));
    for object in recorded {
        // What the cache holds was judged above, by its owner.
        if watched.get(&object).found().is_some() {
            continue;
        }
        match api(client, kind, &object.namespace)
            .get_metadata_opt(&object.name)
            .await
        {
            Ok(Some(found)) => {
                let present = Generated::of(&found.metadata);
                if present.is_owned_by(uid) && !present.deleting {
                    inventory.push((object, present));
                }
            }
            Ok(None) => {}
            Err(error) => return Err((object, error)),
        }
    }
    Ok(inventory)
}

/// `false` where it was gone already, or is no longer the Experiment's. Exactly the state that was judged is deleted, or nothing.
async fn delete(
    client: &Client,
    kind: Kind,
    object: &ObjectRef,
    uid: &str,
    present: &Generated,
) -> Result<bool, kube::Error> {
    let api = api(client, kind, &object.namespace);
    match delete_exactly(&api, &object.name, present).await {
        // Somebody changed it meanwhile: what is there now is judged once more.
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        deleted => return deleted,
    }
    match api.get_metadata_opt(&object.name).await? {
        Some(found) => {
            let present = Generated::of(&found.metadata);
            if !present.is_owned_by(uid) {
                return Ok(false);
            }
            delete_exactly(&api, &object.name, &present).await
        }
        None => Ok(false),
    }
}

async fn delete_exactly(
    api: &Api<DynamicObject>,
    name: &str,
    present: &Generated,
) -> Result<bool, kube::Error> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(present.uid.clone()),
            resource_version: Some(present.resource_version.clone()),
        }),
        ..DeleteParams::background()
    };
    match api.delete(name, &params).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

fn api(client: &Client, kind: Kind, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &kind.api_resource())
}

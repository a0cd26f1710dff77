//! Fifth step: the pieces of all phases become the objects that the cluster should hold. Everything is checked before anything
//! is returned, and every refusal names the phase and the path.

pub mod contract;
mod identity;
mod merge;
mod policy;
#[cfg(test)]
mod properties;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use testbench_engine::{Contribution, Manifest};

use self::identity::hex_digest;
pub use self::identity::{Owner, PHASE_LABEL, Placement, PluginIdentity, WORKFLOW_KEY};
pub use self::merge::MergeError;
pub use self::policy::{Grants, PolicyError};
use self::policy::{PluginMetadata, Scope};
use crate::resolve::OtelEndpoint;
use crate::validate::Validated;
use crate::yaml::sorted;

/// The API server refuses a ConfigMap whose data is larger.
const MAX_CONFIG_MAP_DATA: usize = 1024 * 1024;
/// etcd refuses a request that is larger, with the API server's default settings.
const MAX_OBJECT: usize = 1536 * 1024;

/// What one phase contributed, and what decides how far it may go.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The phase's name.
    pub phase: &'a str,
    /// Whose plugin it is.
    pub identity: &'a PluginIdentity,
    /// What the plugin may do beyond the defaults.
    pub grants: &'a Grants,
    /// Whether it has a place in the chain, and with that may have steps.
    pub is_placed: bool,
    /// What it said.
    pub contribution: &'a Contribution,
}

/// Annotation on every generated object: the hash of what it should hold.
pub const HASH_ANNOTATION: &str = "testbench.agentic-layer.ai/applied-hash";
/// Hex digits of that hash.
const CONTENT_HASH: usize = 32;

/// One object that the cluster should hold.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredObject {
    /// The phase that contributed it; `workflow` for the TestWorkflow, to which all contribute.
    pub phase: String,
    /// The whole object.
    pub manifest: Value,
}

impl DesiredObject {
    /// `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.manifest["kind"].as_str().unwrap_or_default()
    }

    /// `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.manifest["apiVersion"].as_str().unwrap_or_default()
    }

    /// `metadata.namespace`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.manifest["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.manifest["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
    }
}

/// Why pieces do not make a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// Two phases disagree.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A phase says what it may not.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Steps, and no place for them.
    #[error(
        "phase `{phase}` contributes steps, and has no place in the chain; set `placement` in its PhasePlugin"
    )]
    Unplaced {
        /// The phase.
        phase: String,
    },
    /// Two phases of one owner gave their objects the same name.
    #[error(
        "phases `{first}` and `{second}` both generate {kind} {name}; one of their plugins has to choose another key"
    )]
    Twice {
        /// The phase that comes first in the chain.
        first: String,
        /// The phase that comes later.
        second: String,
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// An object larger than the API server takes.
    #[error(
        "{kind} {name} would hold {found} bytes, {limit} is the most that a cluster takes; {advice}"
    )]
    TooLarge {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// Bytes it would hold.
        found: usize,
        /// Bytes it may hold.
        limit: usize,
        /// What to do.
        advice: &'static str,
    },
}

impl ComposeError {
    /// The phases that it speaks of; none for what is nobody's in particular.
    #[must_use]
    pub fn phases(&self) -> Vec<&str> {
        match self {
            Self::Merge(error) => error.phases(),
            Self::Policy(error) => vec![error.phase()],
            Self::Unplaced { phase } => vec![phase],
            Self::Twice { first, second, .. } => vec![first, second],
            Self::TooLarge { .. } => Vec::new(),
        }
    }
}

/// The objects that the cluster should hold, in the order in which they are to be written: data before the workflow that reads
/// it, the workflow before the trigger that starts it.
///
/// # Errors
///
/// Everything that the pieces get wrong, in the order of the chain.
pub fn compose<'a, P>(
    validated: &Validated,
    pieces: impl IntoIterator<Item = P>,
    placement: &Placement,
) -> Result<Vec<DesiredObject>, Vec<ComposeError>>
where
    Piece<'a>: From<P>,
{
    let pieces: Vec<_> = pieces.into_iter().map(Piece::from).collect();
    let scope = scope(validated, &pieces, placement);
    let mut errors = Vec::new();
    let mut objects = Vec::new();
    for piece in &pieces {
        if let Some(workflow) = &piece.contribution.workflow {
            let refused = policy::check_workflow(piece.phase, workflow, piece.grants, &scope);
            errors.extend(refused.into_iter().map(ComposeError::Policy));
            if !piece.is_placed && workflow.contains_key("steps") {
                errors.push(ComposeError::Unplaced {
                    phase: piece.phase.to_owned(),
                });
            }
        }
        for manifest in &piece.contribution.objects {
            match policy::check_object(piece.phase, manifest, piece.grants, &scope) {
                Ok(metadata) => objects.extend(object(piece, manifest, metadata, placement)),
                Err(error) => errors.push(error.into()),
            }
        }
    }
    let parts: Vec<_> = pieces
        .iter()
        .filter_map(|piece| {
            Some(merge::Part {
                phase: piece.phase,
                workflow: piece.contribution.workflow.as_ref()?,
            })
        })
        .collect();
    match merge::merge(&parts) {
        Ok(spec) => objects.push(workflow(spec, placement)),
        Err(conflicts) => errors.extend(conflicts.into_iter().map(ComposeError::Merge)),
    }
    errors.extend(twice(&objects));
    errors.extend(objects.iter().filter_map(too_large));
    if !errors.is_empty() {
        return Err(errors);
    }
    objects.sort_by_key(|object| match object.kind() {
        "TestWorkflow" => 1,
        "TestTrigger" => 2,
        _ => 0,
    });
    objects.iter_mut().for_each(add_hash);
    Ok(objects)
}

/// What was applied last can be told from metadata alone, so that a steady state costs no request. Owners do not count: which
/// Experiment owns an object is seen for itself, and offline there is none.
fn add_hash(object: &mut DesiredObject) {
    let mut content = object.manifest.clone();
    if let Some(metadata) = content["metadata"].as_object_mut() {
        metadata.remove("ownerReferences");
    }
    let hash = hex_digest(&[&sorted(&content).to_string()], CONTENT_HASH);
    object.manifest["metadata"]["annotations"][HASH_ANNOTATION] = hash.into();
}

fn scope<'a>(
    validated: &'a Validated,
    pieces: &[Piece<'_>],
    placement: &'a Placement,
) -> Scope<'a> {
    let own_config_maps = pieces
        .iter()
        .flat_map(|piece| {
            piece
                .contribution
                .objects
                .iter()
                .map(move |manifest| (piece, manifest))
        })
        .filter(|(_, manifest)| manifest.kind.kind == "ConfigMap")
        .filter_map(|(piece, manifest)| placement.object_name(piece.identity, &manifest.key))
        .collect();
    Scope {
        placement,
        own_config_maps,
        agent: (&validated.agent.namespace, &validated.agent.name),
        env: &validated.env,
        otel: match &validated.otel {
            Some(OtelEndpoint::ConfigMapKeyRef { name, key }) => Some((name, key)),
            Some(OtelEndpoint::Value(_)) | None => None,
        },
    }
}

/// `None` cannot happen here: the policy has checked the key.
fn object(
    piece: &Piece<'_>,
    manifest: &Manifest,
    PluginMetadata {
        labels,
        annotations,
    }: PluginMetadata,
    placement: &Placement,
) -> Option<DesiredObject> {
    let name = placement.object_name(piece.identity, &manifest.key)?;
    let mut body = manifest.body.clone();
    body.insert(
        "apiVersion".into(),
        manifest.kind.api_version.clone().into(),
    );
    body.insert("kind".into(), manifest.kind.kind.clone().into());
    body.insert(
        "metadata".into(),
        placement.metadata(&name, piece.phase, labels, annotations),
    );
    Some(DesiredObject {
        phase: piece.phase.to_owned(),
        manifest: Value::Object(body),
    })
}

fn workflow(spec: Map<String, Value>, placement: &Placement) -> DesiredObject {
    let metadata = placement.metadata(
        &placement.workflow_name(),
        WORKFLOW_KEY,
        Default::default(),
        Default::default(),
    );
    DesiredObject {
        phase: WORKFLOW_KEY.to_owned(),
        manifest: json!({
            "apiVersion": "testworkflows.testkube.io/v1",
            "kind": "TestWorkflow",
            "metadata": metadata,
            "spec": spec,
        }),
    }
}

/// Plugins of one owner share a space of names; all bundled ones do.
fn twice(objects: &[DesiredObject]) -> Vec<ComposeError> {
    let mut known = BTreeMap::new();
    let mut errors = Vec::new();
    for object in objects {
        if let Some(first) = known.insert((object.kind(), object.name()), &object.phase) {
            errors.push(ComposeError::Twice {
                first: first.clone(),
                second: object.phase.clone(),
                kind: object.kind().to_owned(),
                name: object.name().to_owned(),
            });
        }
    }
    errors
}

fn too_large(object: &DesiredObject) -> Option<ComposeError> {
    let error = |found, limit, advice| {
        (found > limit).then(|| ComposeError::TooLarge {
            kind: object.kind().to_owned(),
            name: object.name().to_owned(),
            found,
            limit,
            advice,
        })
    };
    let whole = object.manifest.to_string().len();
    if object.kind() == "ConfigMap" {
        let advice = "move the scenarios into a dataset (`spec.dataset.url` or `.s3`), or split the Experiment";
        return error(
            config_map_data(&object.manifest),
            MAX_CONFIG_MAP_DATA,
            advice,
        );
    }
    error(
        whole,
        MAX_OBJECT,
        "shorten `spec.env` and the settings of phases",
    )
}

/// Bytes of keys and values, as the API server counts them.
fn config_map_data(manifest: &Value) -> usize {
    let fields = ["data", "binaryData"]
        .iter()
        .filter_map(|field| manifest[*field].as_object())
        .flatten();
    fields
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum()
}

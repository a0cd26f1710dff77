//! What a plugin's contribution may hold. Deny by default, for every plugin alike: what one needs beyond the defaults is in
//! its [`Grants`], the bundled ones' too.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use testbench_api::AllowedKind;
use testbench_engine::{Gvk, Manifest, is_object_key, literal};

use super::identity::Placement;
use super::merge::{find_null, kind_of};
use crate::path::join;

/// Workflow paths that every plugin may write. `[]` is any entry of a list, `*` any key, `**` all below.
pub(super) const WORKFLOW_PATHS: &[&str] = &[
    "concurrency.**",
    "config.**",
    "container.env[].name",
    "container.env[].value",
    "container.env[].valueFrom.configMapKeyRef.*",
    "content.files[].content",
    "content.files[].contentFrom.configMapKeyRef.*",
    "content.files[].mode",
    "content.files[].path",
    "events[].cronjob.config.*",
    "events[].cronjob.cron",
    "events[].cronjob.timezone",
    "steps[].artifacts.**",
    "steps[].condition",
    "steps[].container.env[].name",
    "steps[].container.env[].value",
    "steps[].container.env[].valueFrom.configMapKeyRef.*",
    "steps[].container.image",
    "steps[].container.resources.**",
    "steps[].name",
    "steps[].optional",
    "steps[].retry.**",
    "steps[].run.args[]",
    "steps[].run.command[]",
    "steps[].run.env[].name",
    "steps[].run.env[].value",
    "steps[].run.env[].valueFrom.configMapKeyRef.*",
    "steps[].run.image",
    "steps[].run.resources.**",
    "steps[].run.shell",
    "steps[].run.workingDir",
    "steps[].shell",
    "steps[].template.config.*",
    "steps[].template.name",
    "steps[].timeout",
];

/// Lists of core/v1 EnvVar: an entry may also repeat one of the Experiment's own `spec.env`.
pub(super) const ENV_LISTS: &[&str] =
    &["container.env", "steps[].container.env", "steps[].run.env"];

/// Kinds that every plugin may create (apiVersion, kind), and the top-level keys of a body that are its to set.
pub(super) const OBJECT_KINDS: &[(&str, &str, &[&str])] = &[
    ("v1", "ConfigMap", &["metadata", "data", "binaryData"]),
    ("tests.testkube.io/v1", "TestTrigger", &["metadata", "spec"]),
];

/// Keys of a TestTrigger's `spec` that a plugin may set; what they select is checked beside this.
pub(super) const TRIGGER_KEYS: &[&str] = &[
    "action",
    "concurrencyPolicy",
    "conditionSpec",
    "delay",
    "disabled",
    "event",
    "execution",
    "resource",
    "resourceSelector",
    "testSelector",
];

/// Labels and annotations with this prefix are a plugin's to set.
pub(super) const PLUGIN_METADATA_PREFIX: &str = "plugin.testbench.agentic-layer.ai/";
/// Our own keys that a plugin may set too: they mark a ConfigMap whose data comes later, and say so to a reader.
pub(super) const OPEN_METADATA: &[&str] = &[
    "testbench.agentic-layer.ai/placeholder",
    "testbench.agentic-layer.ai/description",
];

/// What a plugin may do beyond the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Further workflow paths: `[]` is any entry of a list, `*` any key, `**` all below.
    pub workflow_paths: Vec<String>,
    /// Further kinds of objects.
    pub kinds: Vec<AllowedKind>,
}

impl Grants {
    /// What the bundled phase of this name needs beyond the defaults.
    #[must_use]
    pub fn bundled(phase: &str) -> Self {
        let paths: &[&str] = match phase {
            // Its settings name templates without steps, to be used by the whole workflow.
            "workflow" => &["use[].name"],
            _ => &[],
        };
        Self {
            workflow_paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            kinds: Vec::new(),
        }
    }

    fn has_kind(&self, kind: &Gvk) -> bool {
        let same = |granted: &AllowedKind| {
            (&granted.api_version, &granted.kind) == (&kind.api_version, &kind.kind)
        };
        self.kinds.iter().any(same)
    }
}

/// What a contribution is measured against: the names that belong to this Experiment.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) placement: &'a Placement,
    /// Names of the ConfigMaps that the phases of this Experiment generate.
    pub(super) own_config_maps: Vec<String>,
    /// The agent's namespace and name, which are its Deployment's too.
    pub(super) agent: (&'a str, &'a str),
    /// `spec.env`, as the API spells it.
    pub(super) env: &'a [Value],
    /// Name and key of the OTEL endpoint, where it comes from a ConfigMap.
    pub(super) otel: Option<(&'a str, &'a str)>,
}

/// What a plugin is not allowed to contribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A path that is neither in the defaults nor granted.
    #[error(
        "phase `{phase}` may not set `{path}` of the workflow: it is neither allowed by default nor granted to its plugin"
    )]
    Path {
        /// The phase that does it.
        phase: String,
        /// Where in the workflow's `spec`.
        path: String,
    },
    /// A reference to something that is not this Experiment's.
    #[error(
        "phase `{phase}`: `{path}` refers to something that is not this Experiment's; allowed are its own generated ConfigMaps, \
         entries equal to one of `spec.env`, and the key of `otel-config`"
    )]
    Reference {
        /// The phase that does it.
        phase: String,
        /// Where in the workflow's `spec`.
        path: String,
    },
    /// An object that this plugin may not create.
    #[error(
        "phase `{phase}`, object `{key}`: kind {api_version} {kind} is not allowed; allowed are ConfigMap and TestTrigger, and what its plugin is granted"
    )]
    Kind {
        /// The phase that does it.
        phase: String,
        /// The object's key.
        key: String,
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// Something in the body of an object that is the host's, or unknown.
    #[error("phase `{phase}`, object `{key}`: `{path}` {why}")]
    Body {
        /// The phase that does it.
        phase: String,
        /// The object's key.
        key: String,
        /// Where in the object.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

impl PolicyError {
    /// The phase that does it.
    #[must_use]
    pub fn phase(&self) -> &str {
        match self {
            Self::Path { phase, .. }
            | Self::Reference { phase, .. }
            | Self::Kind { phase, .. }
            | Self::Body { phase, .. } => phase,
        }
    }
}

/// Everything in the workflow part of `phase` that it may not say.
pub(super) fn check_workflow(
    phase: &str,
    workflow: &Map<String, Value>,
    grants: &Grants,
    scope: &Scope<'_>,
) -> Vec<PolicyError> {
    let mut walk = Walk {
        phase,
        grants,
        scope,
        literal_env: scope.env.iter().map(literal_deep).collect(),
        errors: Vec::new(),
    };
    for (key, value) in workflow {
        walk.value(value, &mut vec![At::Key(key)]);
    }
    walk.errors
}

/// One step on the way from the `spec` to a value. Paths are compared step by step, never as text: a key may hold any character,
/// also those that separate the steps of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At<'a> {
    Key(&'a str),
    Entry(usize),
}

struct Walk<'a> {
    phase: &'a str,
    grants: &'a Grants,
    scope: &'a Scope<'a>,
    /// `spec.env` as a plugin passes it on.
    literal_env: Vec<Value>,
    errors: Vec<PolicyError>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &'a Value, path: &mut Vec<At<'a>>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (key, field) in fields {
                    path.push(At::Key(key));
                    self.field(key, field, path);
                    path.pop();
                }
            }
            Value::Array(entries) if !entries.is_empty() => {
                let is_env = ENV_LISTS.iter().any(|list| covers(list, path, false));
                for (i, entry) in entries.iter().enumerate() {
                    if !(is_env && self.is_users_own(entry)) {
                        path.push(At::Entry(i));
                        self.value(entry, path);
                        path.pop();
                    }
                }
            }
            _ if self.is_allowed(path, value) => {}
            _ => self.errors.push(PolicyError::Path {
                phase: self.phase.to_owned(),
                path: spelt(path),
            }),
        }
    }

    fn field(&mut self, key: &str, field: &'a Value, path: &mut Vec<At<'a>>) {
        let own = [
            path.as_slice(),
            &[At::Key("configMapKeyRef"), At::Key("name")],
        ]
        .concat();
        let is_source = matches!(key, "valueFrom" | "contentFrom")
            && WORKFLOW_PATHS
                .iter()
                .any(|pattern| covers(pattern, &own, false));
        if is_source && !self.is_own_source(field) && !self.is_granted_source(field, path) {
            self.errors.push(PolicyError::Reference {
                phase: self.phase.to_owned(),
                path: spelt(path),
            });
        } else {
            self.value(field, path);
        }
    }

    /// An empty object or list says nothing, so it may stand wherever something below it is allowed.
    fn is_allowed(&self, path: &[At<'_>], value: &Value) -> bool {
        let empty = value.is_object() || value.is_array();
        WORKFLOW_PATHS
            .iter()
            .any(|pattern| covers(pattern, path, empty))
            || self.is_granted(path, empty)
    }

    fn is_granted(&self, path: &[At<'_>], above: bool) -> bool {
        self.grants
            .workflow_paths
            .iter()
            .any(|pattern| covers(pattern, path, above))
    }

    fn is_granted_source(&self, source: &Value, path: &[At<'_>]) -> bool {
        let kinds = source.as_object().into_iter().flat_map(Map::keys);
        let mut granted = kinds
            .map(|kind| self.is_granted(&[path, &[At::Key(kind)]].concat(), true))
            .peekable();
        granted.peek().is_some() && granted.all(|granted| granted)
    }

    fn is_users_own(&self, entry: &Value) -> bool {
        self.scope.env.contains(entry) || self.literal_env.contains(entry)
    }

    /// Whether an EnvVarSource reads one of this Experiment's own ConfigMaps, or the OTEL endpoint.
    fn is_own_source(&self, source: &Value) -> bool {
        let Some((kind, reference)) = source
            .as_object()
            .filter(|s| s.len() == 1)
            .and_then(|s| s.iter().next())
        else {
            return false;
        };
        let text = |key: &str| reference.get(key).and_then(Value::as_str);
        let Some(name) = text("name").filter(|_| kind == "configMapKeyRef") else {
            return false;
        };
        let is_otel = text("key").is_some_and(|key| self.scope.otel == Some((name, key)));
        is_otel || self.scope.own_config_maps.iter().any(|own| own == name)
    }
}

/// `value` with every text as a plugin passes on what a user wrote.
fn literal_deep(value: &Value) -> Value {
    match value {
        Value::String(text) => literal(text).into(),
        Value::Array(entries) => entries.iter().map(literal_deep).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, field)| (key.clone(), literal_deep(field)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Whether `pattern` allows `path`; with `above`, also whether it allows something below it.
fn covers(pattern: &str, path: &[At<'_>], above: bool) -> bool {
    let mut wanted = segments(pattern);
    let mut found = path.iter();
    loop {
        match (wanted.next(), found.next()) {
            (Some("**"), _) | (None, None) => return true,
            (Some(_), None) => return above,
            (None, Some(_)) => return false,
            (Some("[]"), Some(At::Entry(_))) | (Some("*"), Some(At::Key(_))) => {}
            (Some(want), Some(At::Key(have))) if want == *have && want != "[]" => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

/// `path` as people read it.
fn spelt(path: &[At<'_>]) -> String {
    let spell = |path: String, at: &At<'_>| match at {
        At::Key(key) => join(&path, key),
        At::Entry(i) => format!("{path}[{i}]"),
    };
    path.iter().fold(String::new(), spell)
}

/// `steps[].run` → `steps`, `[]`, `run`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('.')
        .flat_map(|part| match part.strip_suffix("[]") {
            Some(name) => [Some(name), Some("[]")],
            None => [Some(part), None],
        })
        .flatten()
}

/// Labels and annotations that a plugin put on an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PluginMetadata {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// Checks one object of `phase`: kind, top-level keys, metadata, and what a TestTrigger selects.
pub(super) fn check_object(
    phase: &str,
    manifest: &Manifest,
    grants: &Grants,
    scope: &Scope<'_>,
) -> Result<PluginMetadata, PolicyError> {
    let Gvk { api_version, kind } = &manifest.kind;
    let allowed = OBJECT_KINDS
        .iter()
        .find(|allowed| (allowed.0, allowed.1) == (api_version.as_str(), kind.as_str()));
    let fields = allowed.map(|(_, _, fields)| *fields);
    if fields.is_none() && !grants.has_kind(&manifest.kind) {
        return Err(PolicyError::Kind {
            phase: phase.to_owned(),
            key: manifest.key.clone(),
            api_version: api_version.clone(),
            kind: kind.clone(),
        });
    }
    let refuse = |path: String, why: &str| PolicyError::Body {
        phase: phase.to_owned(),
        key: manifest.key.clone(),
        path,
        why: why.to_owned(),
    };
    if !is_object_key(&manifest.key) {
        return Err(refuse("key".into(), "must be 1 to 20 of a-z and 0-9"));
    }
    if let Some((key, why)) = foreign_key(&manifest.body, kind, fields) {
        return Err(refuse(key, &why));
    }
    if let Some(null) = manifest
        .body
        .iter()
        .find_map(|(key, value)| find_null(value, key.clone()))
    {
        return Err(refuse(null, "is null; leave the key out instead"));
    }
    if kind == "ConfigMap" {
        check_config_map(&manifest.body).map_err(|(path, why)| refuse(path, &why))?;
    }
    if kind == "TestTrigger" {
        check_trigger(manifest.body.get("spec"), scope)
            .map_err(|(path, why)| refuse(path, &why))?;
    }
    plugin_metadata(manifest.body.get("metadata")).map_err(|(path, why)| refuse(path, &why))
}

/// A top-level key that is not the plugin's to set. Of a granted kind, all but the status are.
fn foreign_key(
    body: &Map<String, Value>,
    kind: &str,
    fields: Option<&[&str]>,
) -> Option<(String, String)> {
    let Some(fields) = fields else {
        let status = body.contains_key("status");
        return status.then(|| ("status".to_owned(), "is not the plugin's to set".to_owned()));
    };
    let unknown = body.keys().find(|key| !fields.contains(&key.as_str()))?;
    let why = format!(
        "is not the plugin's to set on a {kind}; allowed are {}",
        fields.join(", ")
    );
    Some((unknown.clone(), why))
}

/// What the API server would refuse only once everything else has been written.
fn check_config_map(body: &Map<String, Value>) -> Result<(), (String, String)> {
    for field in ["data", "binaryData"] {
        let entries = match body.get(field) {
            None => continue,
            Some(Value::Object(entries)) => entries,
            Some(other) => {
                let why = format!("must be an object, found {}", kind_of(other));
                return Err((field.into(), why));
            }
        };
        for (key, value) in entries {
            let path = format!("{field}[{key}]");
            if !is_data_key(key) {
                let why = "is no key of a ConfigMap: 1 to 253 of letters, digits, `-`, `_`, `.`";
                return Err((path, why.into()));
            }
            if !value.is_string() {
                return Err((path, format!("must be a text, found {}", kind_of(value))));
            }
        }
    }
    Ok(())
}

/// The API server's rule for keys of a ConfigMap's data.
fn is_data_key(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && key != "."
        && !key.starts_with("..")
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A TestTrigger may watch the Experiment's agent and run the Experiment's workflow, and nothing else.
fn check_trigger(spec: Option<&Value>, scope: &Scope<'_>) -> Result<(), (String, String)> {
    let Some(Value::Object(spec)) = spec else {
        return Err(("spec".into(), "is missing or no object".into()));
    };
    if let Some(unknown) = spec
        .keys()
        .find(|key| !TRIGGER_KEYS.contains(&key.as_str()))
    {
        return Err((
            format!("spec.{unknown}"),
            format!(
                "is not a plugin's to set; allowed are {}",
                TRIGGER_KEYS.join(", ")
            ),
        ));
    }
    let workflow = scope.placement.workflow_name();
    let (agent_namespace, agent) = scope.agent;
    let expected = [
        ("action", Value::from("run")),
        ("execution", Value::from("testworkflow")),
        ("resource", Value::from("deployment")),
        (
            "testSelector",
            serde_json::json!({"name": workflow, "namespace": scope.placement.namespace}),
        ),
        (
            "resourceSelector",
            serde_json::json!({"name": agent, "namespace": agent_namespace}),
        ),
    ];
    for (key, wanted) in expected {
        if spec.get(key) != Some(&wanted) {
            let found = spec
                .get(key)
                .map_or_else(|| "nothing".to_owned(), Value::to_string);
            return Err((
                format!("spec.{key}"),
                format!("must be {wanted}, found {found}"),
            ));
        }
    }
    Ok(())
}

fn plugin_metadata(metadata: Option<&Value>) -> Result<PluginMetadata, (String, String)> {
    let mut permitted = PluginMetadata::default();
    let Some(metadata) = metadata else {
        return Ok(permitted);
    };
    let Value::Object(fields) = metadata else {
        return Err((
            "metadata".into(),
            format!("must be an object, found {}", kind_of(metadata)),
        ));
    };
    for (field, entries) in fields {
        let target = match field.as_str() {
            "labels" => &mut permitted.labels,
            "annotations" => &mut permitted.annotations,
            _ => return Err((format!("metadata.{field}"), "belongs to the host".into())),
        };
        let Value::Object(entries) = entries else {
            return Err((
                format!("metadata.{field}"),
                format!("must be an object, found {}", kind_of(entries)),
            ));
        };
        for (key, value) in entries {
            let path = || format!("metadata.{field}[{key}]");
            let Value::String(value) = value else {
                return Err((path(), format!("must be a text, found {}", kind_of(value))));
            };
            if !OPEN_METADATA.contains(&key.as_str()) && !key.starts_with(PLUGIN_METADATA_PREFIX) {
                return Err((
                    path(),
                    format!(
                        "is not a plugin's to set; use a key that starts with {PLUGIN_METADATA_PREFIX}"
                    ),
                ));
            }
            let name = key.rsplit('/').next().unwrap_or_default();
            if name.is_empty() || !is_label_value(name) {
                return Err((
                    path(),
                    "is no key: behind the prefix, 1 to 63 of letters, digits, `-`, `_`, `.`"
                        .into(),
                ));
            }
            if field == "labels" && !is_label_value(value) {
                return Err((
                    path(),
                    "is no label value: at most 63 of letters, digits, `-`, `_`, `.`".into(),
                ));
            }
            target.insert(key.clone(), value.clone());
        }
    }
    Ok(permitted)
}

/// The API server's rule for label values.
fn is_label_value(value: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && ends(value.chars().next())
        && ends(value.chars().last())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests;

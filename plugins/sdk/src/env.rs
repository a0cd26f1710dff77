//! Environment variables, as Kubernetes spells them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::host::{literal, literal_json};

/// A core/v1 EnvVar. `value_from` stays JSON, so that every kind of source passes, also those to come.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Name of the variable.
    pub name: String,
    /// Its value, when it stands here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its value comes from instead: a core/v1 EnvVarSource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Value>,
}

impl EnvVar {
    /// A variable with a value. Testkube evaluates `{{ … }}` in it: text that you were given goes through [`literal`].
    pub fn value(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
            value_from: None,
        }
    }

    /// A variable from a ConfigMap beside the workflow.
    pub fn from_config_map(name: impl Into<String>, config_map: &str, key: &str) -> Self {
        Self {
            name: name.into(),
            value: None,
            value_from: Some(json!({"configMapKeyRef": {"name": config_map, "key": key}})),
        }
    }

    /// The entry that counts: of several with one name the container sees the last.
    pub fn find<'a>(env: &'a [Self], name: &str) -> Option<&'a Self> {
        env.iter().rev().find(|variable| variable.name == name)
    }

    /// The same variable, shown by Testkube as typed: it evaluates every string of an `env` entry, names and references
    /// too (`expr:"force"` in its `ContainerConfig`).
    pub fn literal(self) -> Self {
        Self {
            name: literal(&self.name),
            value: self.value.as_deref().map(literal),
            value_from: self.value_from.map(literal_json),
        }
    }
}

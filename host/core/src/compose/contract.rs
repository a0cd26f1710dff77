//! The rules of composition as data: what `docs/contract.md` lists, and what a test compares it with.

use super::identity::{MAX_LABEL, MAX_NAME, PLUGIN_HASH, SHORTENED_HASH};
use super::merge::{LIST_RULES, ListRule};
use super::policy::{
    ENV_LISTS, OBJECT_KINDS, OPEN_METADATA, PLUGIN_METADATA_PREFIX, TRIGGER_KEYS, WORKFLOW_PATHS,
};
use super::{MAX_CONFIG_MAP_DATA, MAX_OBJECT};

/// Workflow paths that every plugin may write. `[]` is any entry of a list, `*` any key, `**` all below.
#[must_use]
pub fn workflow_paths() -> &'static [&'static str] {
    WORKFLOW_PATHS
}

/// Lists of variables in which an entry may also repeat one of the Experiment's own `spec.env`.
#[must_use]
pub fn env_lists() -> &'static [&'static str] {
    ENV_LISTS
}

/// Every list that several phases may write, and how their entries combine. Any other list has one writer.
pub fn list_rules() -> impl Iterator<Item = (&'static str, String)> {
    LIST_RULES.iter().map(|(path, rule)| {
        let rule = match rule {
            ListRule::By(key) => format!("by `{key}`"),
            ListRule::Append => "append".to_owned(),
            ListRule::Atomic => "one writer".to_owned(),
        };
        (*path, rule)
    })
}

/// Kinds that every plugin may create (apiVersion, kind), and the top-level keys of a body that are its to set.
#[must_use]
pub fn object_kinds() -> &'static [(&'static str, &'static str, &'static [&'static str])] {
    OBJECT_KINDS
}

/// Keys of a TestTrigger's `spec` that a plugin may set.
#[must_use]
pub fn trigger_keys() -> &'static [&'static str] {
    TRIGGER_KEYS
}

/// Keys of labels and annotations that a plugin may set: a prefix, and whole keys.
#[must_use]
pub fn plugin_metadata() -> (&'static str, &'static [&'static str]) {
    (PLUGIN_METADATA_PREFIX, OPEN_METADATA)
}

/// Numbers that generated objects are held to: bytes, characters or hex digits.
#[must_use]
pub fn numbers() -> [(&'static str, usize); 6] {
    [
        ("object name", MAX_NAME),
        ("label value", MAX_LABEL),
        ("hash of a shortened name", SHORTENED_HASH),
        ("hash of a custom plugin", PLUGIN_HASH),
        ("ConfigMap data", MAX_CONFIG_MAP_DATA),
        ("other object", MAX_OBJECT),
    ]
}

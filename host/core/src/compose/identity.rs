//! Names, labels and owners of generated objects: the part of an object that belongs to the host alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testbench_engine::is_object_key;

use crate::experiment::API_VERSION;

/// Longest name of a Kubernetes object whose kind uses DNS-1123 subdomains.
pub(super) const MAX_NAME: usize = 253;
/// Longest value of a Kubernetes label.
pub(super) const MAX_LABEL: usize = 63;
/// Hex digits that stand for what was cut off a name; 64 bits keep two Experiments apart.
pub(super) const SHORTENED_HASH: usize = 16;
/// Hex digits that keep the object names of custom plugins apart.
pub(super) const PLUGIN_HASH: usize = 8;

/// Label on every generated object: the phase that generated it, `workflow` on the TestWorkflow.
pub const PHASE_LABEL: &str = "app.kubernetes.io/component";

/// The key under which the host names the TestWorkflow that all phases share.
pub const WORKFLOW_KEY: &str = "workflow";

/// Where generated objects live, what their names start with, and who owns them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Namespace of every generated object.
    pub namespace: String,
    /// First part of every generated name: the Experiment's name.
    pub name_prefix: String,
    /// The Experiment as controller owner; `None` offline, where no UID is known.
    pub owner: Option<Owner>,
}

/// The Experiment as the API server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
}

/// Whose plugin it is, and with that, whose names its objects get.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PluginIdentity {
    /// Fills its own slot, shipped with the operator (or given in its place by `--plugins-dir`).
    Bundled,
    /// A team's own, named by its PhasePlugin.
    Custom {
        /// Namespace of the PhasePlugin.
        namespace: String,
        /// Name of the PhasePlugin.
        name: String,
    },
}

impl Placement {
    /// The name of the object `key` of a plugin; `None` where the key is not allowed.
    ///
    /// Keys hold no dash, so `<prefix>-<key>` splits in one way only, and the hash of a custom plugin
    /// covers its namespace and name: no plugin can take another's name.
    #[must_use]
    pub fn object_name(&self, plugin: &PluginIdentity, key: &str) -> Option<String> {
        if !is_object_key(key) {
            return None;
        }
        let suffix = match plugin {
            PluginIdentity::Bundled => key.to_owned(),
            PluginIdentity::Custom { namespace, name } => {
                format!("{key}-{}", hex_digest(&[namespace, name, key], PLUGIN_HASH))
            }
        };
        Some(self.name_with(&suffix))
    }

    /// The name of the TestWorkflow.
    #[must_use]
    pub fn workflow_name(&self) -> String {
        self.name_with(WORKFLOW_KEY)
    }

    fn name_with(&self, suffix: &str) -> String {
        let prefix = shorten(&self.name_prefix, MAX_NAME - 1 - suffix.len());
        format!("{prefix}-{suffix}")
    }

    /// `metadata` of a generated object: the host's identity, around what `labels` and `annotations` a plugin was allowed to add.
    #[must_use]
    pub fn metadata(
        &self,
        name: &str,
        component: &str,
        labels: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
    ) -> Value {
        let mut all_labels = labels;
        all_labels.extend(self.labels(component));
        let mut metadata = json!({"name": name, "namespace": self.namespace, "labels": all_labels});
        if !annotations.is_empty() {
            metadata["annotations"] = json!(annotations);
        }
        if let Some(owner) = &self.owner {
            metadata["ownerReferences"] = json!([{
                "apiVersion": API_VERSION,
                "kind": "Experiment",
                "name": owner.name,
                "uid": owner.uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }]);
        }
        metadata
    }

    fn labels(&self, component: &str) -> BTreeMap<String, String> {
        let experiment = shorten(&self.name_prefix, MAX_LABEL);
        [
            ("app.kubernetes.io/name", "experiment"),
            ("app.kubernetes.io/instance", experiment.as_str()),
            (PHASE_LABEL, component),
            ("app.kubernetes.io/part-of", "testbench"),
            ("app.kubernetes.io/managed-by", "testbench"),
            ("testbench.agentic-layer.ai/experiment", experiment.as_str()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }
}

/// `name` within `max` bytes. A cut name ends in a hash of the whole, so two long names stay two.
fn shorten(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    // Names are ASCII (DNS-1123), but a cut in the middle of a character must not panic even if one is not.
    let mut cut = max.saturating_sub(1 + SHORTENED_HASH);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    // "a.-hash" is no DNS-1123 subdomain.
    let head = name[..cut].trim_end_matches(['.', '-']);
    format!("{head}-{}", hex_digest(&[name], SHORTENED_HASH))
}

/// The first `digits` of the SHA-256 over `parts`, separated so that no two lists of parts read the same.
pub(super) fn hex_digest(parts: &[&str], digits: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.truncate(digits);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(prefix: &str) -> Placement {
        Placement {
            namespace: "ns".into(),
            name_prefix: prefix.into(),
            owner: None,
        }
    }

    fn custom(namespace: &str, name: &str) -> PluginIdentity {
        PluginIdentity::Custom {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    fn is_subdomain(name: &str) -> bool {
        name.len() <= MAX_NAME
            && name.split('.').all(|part| {
                !part.is_empty()
                    && !part.starts_with('-')
                    && !part.ends_with('-')
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    }

    #[test]
    fn bundled_objects_are_named_after_the_experiment() {
        let name = placement("checkout").object_name(&PluginIdentity::Bundled, "experiment");
        assert_eq!(name.as_deref(), Some("checkout-experiment"));
        assert_eq!(placement("checkout").workflow_name(), "checkout-workflow");
    }

    #[test]
    fn custom_plugins_never_share_a_name() {
        let placement = placement("checkout");
        let plugins = [
            PluginIdentity::Bundled,
            custom("a", "b"),
            custom("b", "a"),
            custom("ab", ""),
            custom("", "ab"),
            custom("a", "bexperiment"),
        ];
        let names: std::collections::BTreeSet<_> = plugins
            .iter()
            .map(|plugin| placement.object_name(plugin, "experiment").unwrap())
            .collect();
        assert_eq!(names.len(), plugins.len());
    }

    #[test]
    fn keys_that_could_break_a_name_are_refused() {
        for key in ["", "a-b", "A", "ä", "a.b", "a/b", "012345678901234567890"] {
            assert_eq!(
                placement("x").object_name(&PluginIdentity::Bundled, key),
                None,
                "{key}"
            );
        }
    }

    #[test]
    fn names_and_labels_hold_for_every_legal_length_and_stay_distinct() {
        for length in 1..=MAX_NAME {
            let long = "a".repeat(length);
            for key in ["x", "01234567890123456789"] {
                for plugin in [PluginIdentity::Bundled, custom("ns", "p")] {
                    let name = placement(&long).object_name(&plugin, key).unwrap();
                    assert!(is_subdomain(&name), "{name}");
                }
            }
            let labels = placement(&long).labels("run");
            assert!(labels.values().all(|value| value.len() <= MAX_LABEL));
        }
        let (one, two) = (
            format!("{}b", "a".repeat(252)),
            format!("{}c", "a".repeat(252)),
        );
        assert_ne!(
            placement(&one).workflow_name(),
            placement(&two).workflow_name()
        );
    }

    #[test]
    fn a_name_cut_at_a_dot_stays_a_subdomain() {
        let name = format!("{}.{}", "a".repeat(225), "b".repeat(27));
        for cut in 215..=235 {
            assert!(is_subdomain(&shorten(&name, cut + 17)), "{cut}");
        }
    }

    #[test]
    fn an_owner_is_a_blocking_controller_reference_and_plugins_cannot_take_host_labels() {
        let mut placement = placement("x");
        placement.owner = Some(Owner {
            name: "x".into(),
            uid: "u-1".into(),
        });
        let forged = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "me".to_owned())]);
        let metadata = placement.metadata("x-workflow", "workflow", forged, BTreeMap::new());
        assert_eq!(metadata["ownerReferences"][0]["uid"], "u-1");
        assert_eq!(metadata["ownerReferences"][0]["blockOwnerDeletion"], true);
        assert_eq!(
            metadata["labels"]["app.kubernetes.io/managed-by"],
            "testbench"
        );
    }
}

#![allow(
    clippy::duplicated_attributes,
    reason = "a custom resource has several printer columns, and several of one type"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Condition, FreeForm};

/// A phase of a team's own: which component, where in the chain, for which Experiments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "crd",
    derive(kube::CustomResource, schemars::JsonSchema),
    kube(
        group = "testbench.agentic-layer.ai",
        version = "v1alpha1",
        kind = "PhasePlugin",
        namespaced,
        status = "PhasePluginStatus",
        category = "testbench",
        doc = "A phase of a team's own, added to the chain of Experiments or in place of a bundled phase. One in the operator's namespace serves all namespaces, any other its own.",
        printcolumn(name = "Plugin", type_ = "string", json_path = ".status.plugin"),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = r#".status.conditions[?(@.type=="Ready")].status"#
        ),
        printcolumn(
            name = "Reason",
            type_ = "string",
            json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
        ),
        printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    ),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "!has(self.placement) || !has(self.placement.replaces) || has(self.experimentSelector)",
        "message": "what replaces a phase has to say in which Experiments: set experimentSelector, {} for all"
    }]))
)]
pub struct PhasePluginSpec {
    /// Where the component comes from. Exactly one field is set.
    pub source: PluginSource,
    /// Where the phase stands in the chain. Without it the phase has no steps, and only adds objects, variables and files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<PluginPlacement>,
    /// Settings of the phase, as its plugin describes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::crd::free_form"))]
    pub settings: Option<FreeForm>,
    /// Whether Experiments may change settings, in spec.phases: theirs are merged over these (RFC 7386). Deny where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_settings: Option<UserSettings>,
    /// Which Experiments get the phase, by their labels; {} is all of them. Without it, those that name the phase in spec.phases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_selector: Option<LabelSelector>,
    /// What one call of the plugin may cost; the administrator's default where it is not set, and never more than the
    /// administrator's ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<PluginLimits>,
    /// What the plugin may write beyond what every plugin may, within the administrator's ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<AllowedBeyond>,
    /// What becomes of an Experiment when the phase fails: Fail keeps its last good objects, Ignore goes on without the phase. Fail
    /// where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
}

/// Where a component comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "crd",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "[has(self.oci), has(self.configMap), has(self.bundled)].filter(set, set).size() == 1",
        "message": "set exactly one of oci, configMap and bundled"
    }]))
)]
pub struct PluginSource {
    /// A component in a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciSource>,
    /// A component in a ConfigMap beside this object, for development.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// A component that comes with the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundled: Option<BundledSource>,
}

/// A component in a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct OciSource {
    /// By tag or digest: `ghcr.io/team/gate:1.2` or `ghcr.io/team/gate@sha256:…`. The registry has to be in the administrator's list.
    #[cfg_attr(feature = "crd", schemars(length(min = 3, max = 1024)))]
    pub reference: String,
    /// A Secret of type kubernetes.io/dockerconfigjson beside this object. The operator has to be allowed to read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_secret_ref: Option<SecretRef>,
    /// How often a tag is looked at again, in seconds; 300 where it is not set. A digest never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 10, max = 86400)))]
    pub poll_interval_seconds: Option<u32>,
}

/// Names a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct SecretRef {
    /// Name of the Secret.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub name: String,
}

/// A component in a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ConfigMapSource {
    /// Name of the ConfigMap.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Key of its binaryData that holds the component, as it is or gzipped.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub key: String,
}

/// A component that comes with the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
#[allow(
    missing_docs,
    reason = "the enum's description says it, and one each would turn the schema's enum into alternatives"
)]
pub enum BundledSource {
    Template,
}

/// A place in the chain: a phase, or another PhasePlugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "crd",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "[has(self.after), has(self.before), has(self.replaces)].filter(set, set).size() == 1",
        "message": "set exactly one of after, before and replaces"
    }]))
)]
pub struct PluginPlacement {
    /// Behind this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub after: Option<String>,
    /// Before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub before: Option<String>,
    /// In place of this bundled phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Slot>,
}

/// A phase of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
#[allow(
    missing_docs,
    reason = "the names say it, and a description each would turn the schema's enum into alternatives"
)]
pub enum Slot {
    Experiment,
    Workflow,
    Setup,
    Run,
    Evaluate,
    Publish,
    Visualize,
    Trigger,
}

impl Slot {
    /// As everything else spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Experiment => "experiment",
            Self::Workflow => "workflow",
            Self::Setup => "setup",
            Self::Run => "run",
            Self::Evaluate => "evaluate",
            Self::Publish => "publish",
            Self::Visualize => "visualize",
            Self::Trigger => "trigger",
        }
    }
}

/// Whether Experiments may change settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
#[allow(
    missing_docs,
    reason = "the names say it, and a description each would turn the schema's enum into alternatives"
)]
pub enum UserSettings {
    Allow,
    #[default]
    Deny,
}

/// What becomes of an Experiment when the phase fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
#[allow(
    missing_docs,
    reason = "the field's description says it, and one each would turn the schema's enum into alternatives"
)]
pub enum FailurePolicy {
    #[default]
    Fail,
    Ignore,
}

/// Selects objects by their labels, as everywhere in Kubernetes: all conditions have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct LabelSelector {
    /// Labels with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on single labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64)))]
    pub match_expressions: Vec<LabelExpression>,
}

/// A condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "crd",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
        "message": "In and NotIn need values, Exists and DoesNotExist take none"
    }]))
)]
pub struct LabelExpression {
    /// The label.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 317)))]
    pub key: String,
    /// How it is compared.
    pub operator: LabelOperator,
    /// With what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64)))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema), schemars(inline))]
#[allow(
    missing_docs,
    reason = "the names say it, and a description each would turn the schema's enum into alternatives"
)]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = |(key, value)| labels.get(key) == Some(value);
        self.match_labels.iter().all(equal)
            && self
                .match_expressions
                .iter()
                .all(|expression| expression.matches(labels))
    }
}

impl LabelExpression {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let is_listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            LabelOperator::In => is_listed,
            LabelOperator::NotIn => !is_listed,
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// What one call of a plugin may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PluginLimits {
    /// Milliseconds that it may compute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 10, max = 60000)))]
    pub cpu_milliseconds: Option<u32>,
    /// Milliseconds from start to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 10, max = 60000)))]
    pub wall_milliseconds: Option<u32>,
    /// MiB of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 512)))]
    pub memory_mebibytes: Option<u32>,
    /// KiB of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 8192)))]
    pub output_kibibytes: Option<u32>,
}

/// What a plugin may write beyond what every plugin may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct AllowedBeyond {
    /// Further kinds of objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 32)))]
    pub kinds: Vec<AllowedKind>,
    /// Further paths of the TestWorkflow's spec: `services.**`. `[]` is any entry of a list, `*` any key, `**` all below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 64), inner(length(min = 1, max = 253)))
    )]
    pub workflow_paths: Vec<String>,
}

/// A kind of object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct AllowedKind {
    /// Its apiVersion.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 317)))]
    pub api_version: String,
    /// Its kind.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 63)))]
    pub kind: String,
}

/// What the operator has made of the PhasePlugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PhasePluginStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The state in detail: Ready, Fetched, Compatible, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"],
    )))]
    pub conditions: Vec<Condition>,
    /// Name and version that the plugin gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The version of the contract that it was built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Digest of the component that the source gives now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The reference into a registry as it was resolved last: by digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_reference: Option<String>,
    /// Digest of the component that serves: the newest that could be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good_digest: Option<String>,
    /// Bytes of the component that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_as_everywhere_in_kubernetes() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        for (selector, matches) in [
            ("{}", true),
            (r#"{"matchLabels": {"team": "a"}}"#, true),
            (r#"{"matchLabels": {"team": "b"}}"#, false),
            (r#"{"matchLabels": {"team": "a", "x": "y"}}"#, false),
            (
                r#"{"matchExpressions": [{"key": "team", "operator": "In", "values": ["b", "a"]}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}"#,
                false,
            ),
            // As in Kubernetes, a label that is not there is not in any list.
            (
                r#"{"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["a"]}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions": [{"key": "team", "operator": "Exists"}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions": [{"key": "x", "operator": "Exists"}]}"#,
                false,
            ),
            (
                r#"{"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}"#,
                true,
            ),
        ] {
            let selector: LabelSelector = serde_json::from_str(selector).unwrap();
            assert_eq!(selector.matches(&labels), matches, "{selector:?}");
        }
    }
}

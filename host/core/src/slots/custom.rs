//! PhasePlugins as the chain sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use testbench_api::{FailurePolicy, PhasePluginSpec, PluginPlacement, Slot, UserSettings};

use super::chain::Place;
use super::registered::Registered;
use crate::resolve::ObjectRef;

/// One PhasePlugin, and what serves for it.
#[derive(Debug, Clone)]
pub struct CustomPhase {
    /// The PhasePlugin. Its name is the phase's, unless it replaces a bundled one.
    pub object: ObjectRef,
    /// What it says.
    pub spec: PhasePluginSpec,
    /// Its component, or why there is none that could serve.
    pub component: Result<Arc<Registered>, String>,
}

/// How errors name it: `PhasePlugin demo/gate`.
impl std::fmt::Display for CustomPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PhasePlugin {}", self.object)
    }
}

impl CustomPhase {
    /// The slot that it fills in place of the bundled plugin.
    #[must_use]
    pub fn replaces(&self) -> Option<Slot> {
        self.spec.placement.as_ref()?.replaces
    }

    /// The name under which `spec.phases` tunes it.
    #[must_use]
    pub fn phase(&self) -> &str {
        match self.replaces() {
            Some(slot) => slot.as_str(),
            None => &self.object.name,
        }
    }

    /// Where it stands, for one that neither replaces a slot nor has no place.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let PluginPlacement {
            after,
            before,
            replaces: _,
        } = self.spec.placement.as_ref()?;
        let after = after.as_deref().map(Place::After);
        after.or(before.as_deref().map(Place::Before))
    }

    /// Whether an Experiment with these labels, which tunes it or not, has this phase.
    pub(super) fn is_in(&self, labels: &BTreeMap<String, String>, is_named: bool) -> bool {
        let selector = self.spec.experiment_selector.as_ref();
        selector.map_or(is_named, |selector| selector.matches(labels))
    }

    pub(super) fn takes_user_settings(&self) -> bool {
        self.spec.user_settings == Some(UserSettings::Allow)
    }

    pub(super) fn may_be_ignored(&self) -> bool {
        self.spec.failure_policy == Some(FailurePolicy::Ignore)
    }
}

/// The PhasePlugins among `all` that serve Experiments in `namespace`: those of the operator's namespace, and, where tenants may have
/// any, those beside the Experiment. A tenant's never takes the name of one that serves all.
#[must_use]
pub fn serving(
    all: &[Arc<CustomPhase>],
    namespace: &str,
    operator_namespace: &str,
    tenants: bool,
) -> Vec<Arc<CustomPhase>> {
    let of = |namespace: &str| {
        all.iter()
            .filter(|custom| custom.object.namespace == namespace)
            .map(|custom| (custom.object.name.clone(), custom.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    let mut serving = of(operator_namespace);
    if tenants && namespace != operator_namespace {
        for (name, custom) in of(namespace) {
            serving.entry(name).or_insert(custom);
        }
    }
    serving.into_values().collect()
}

/// Why a PhasePlugin serves nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unused {
    /// It is a tenant's, and those are off.
    #[error(
        "PhasePlugins outside the operator's namespace {operator_namespace} are off; they are turned on by plugins.tenants in the \
         operator's configuration"
    )]
    TenantsDisabled {
        /// The operator's namespace.
        operator_namespace: String,
    },
    /// One that serves all has its name.
    #[error("PhasePlugin {other} has the same name and serves all namespaces; choose another")]
    NameTaken {
        /// The other one.
        other: ObjectRef,
    },
}

/// Why the PhasePlugin `object` serves nobody; `None` where it may serve. `exists` says whether there is a PhasePlugin.
pub fn why_unused(
    object: &ObjectRef,
    operator_namespace: &str,
    tenants: bool,
    exists: impl FnOnce(&ObjectRef) -> bool,
) -> Option<Unused> {
    if object.namespace == operator_namespace {
        return None;
    }
    let operator_namespace = operator_namespace.to_owned();
    if !tenants {
        return Some(Unused::TenantsDisabled { operator_namespace });
    }
    let other = ObjectRef {
        namespace: operator_namespace,
        name: object.name.clone(),
    };
    exists(&other).then_some(Unused::NameTaken { other })
}

/// `patch` merged over `base`, by RFC 7386: objects merge, `null` removes, everything else takes the place of what was there.
pub(super) fn merged(base: &Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = base.clone();
    for (key, value) in patch {
        match value {
            Value::Null => drop(merged.remove(key)),
            Value::Object(patch) => {
                let empty = Map::new();
                let base = merged.get(key).and_then(Value::as_object);
                let field = self::merged(base.unwrap_or(&empty), patch);
                merged.insert(key.clone(), Value::Object(field));
            }
            value => drop(merged.insert(key.clone(), value.clone())),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Rows of the RFC's own table of examples, as far as both sides are objects.
    #[test]
    fn settings_merge_by_rfc_7386() {
        for (base, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let object = |value: &Value| value.as_object().unwrap().clone();
            let found = merged(&object(&base), &object(&patch));
            assert_eq!(Value::Object(found), expected, "{base} {patch}");
        }
    }

    #[test]
    fn a_plugin_serves_its_own_namespace_and_the_operators_all() {
        let custom = |namespace: &str, name: &str| {
            Arc::new(CustomPhase {
                object: ObjectRef {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                },
                spec: PhasePluginSpec::default(),
                component: Err(String::new()),
            })
        };
        let all = [
            custom("system", "gate"),
            custom("a", "gate"),
            custom("a", "own"),
            custom("b", "own"),
        ];
        let names = |namespace, tenants| {
            let serving = serving(&all, namespace, "system", tenants);
            let names = serving.iter().map(|custom| custom.object.to_string());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("a", false), "system/gate");
        assert_eq!(names("a", true), "system/gate a/own");
        assert_eq!(names("c", true), "system/gate");
        assert_eq!(names("system", true), "system/gate");
    }
}

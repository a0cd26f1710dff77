//! Whether the cluster still holds what we applied, from metadata alone.
//!
//! The API server keeps, for each field manager, the set of fields that it applied last. When somebody else changes or removes one of
//! ours, it leaves our set (a list that the schema calls atomic leaves it whole). So what we want is there exactly while our set
//! covers it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Map, Value};

/// The name under which this operator owns fields.
pub const FIELD_MANAGER: &str = "testbench";

/// The set of fields that this operator applied last, in the API server's own notation (`FieldsV1`); empty where it applied none.
#[must_use]
pub fn applied_by_us(entries: &[ManagedFieldsEntry]) -> Value {
    let ours = entries.iter().find(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    });
    ours.and_then(|entry| entry.fields_v1.as_ref())
        .map_or(Value::Object(Map::new()), |fields| fields.0.clone())
}

/// The path of the first field of `wanted`, a whole manifest, that is not in the set `owned`.
#[must_use]
pub fn first_uncovered(owned: &Value, wanted: &Value) -> Option<String> {
    /// What identifies an object is nobody's field.
    const IDENTITY: [&[&str]; 4] = [
        &["apiVersion"],
        &["kind"],
        &["metadata", "name"],
        &["metadata", "namespace"],
    ];
    uncovered(owned, wanted, &mut Vec::new(), &|path| {
        IDENTITY.contains(&path)
    })
}

fn uncovered<'a>(
    owned: &Value,
    wanted: &'a Value,
    path: &mut Vec<&'a str>,
    skipped: &impl Fn(&[&str]) -> bool,
) -> Option<String> {
    match wanted {
        Value::Object(fields) => fields.iter().find_map(|(key, field)| {
            path.push(key);
            let found = match owned.get(format!("f:{key}")) {
                _ if skipped(path) => None,
                Some(leaf) if is_leaf(leaf) => None,
                Some(owned) => uncovered(owned, field, path, skipped),
                None => Some(path.join(".")),
            };
            path.pop();
            found
        }),
        // No leaf, so the schema merges the list's entries by keys, or by value.
        Value::Array(entries) => {
            entries
                .iter()
                .enumerate()
                .find_map(|(i, entry)| match owned_entry(owned, entry) {
                    Some(leaf) if is_leaf(leaf) => None,
                    Some(owned) => uncovered(owned, entry, path, skipped),
                    None => Some(format!("{}[{i}]", path.join("."))),
                })
        }
        _ => Some(path.join(".")),
    }
}

/// A leaf of the set covers whatever is below it: a scalar, a whole atomic list, an empty object.
fn is_leaf(owned: &Value) -> bool {
    owned
        .as_object()
        .is_some_and(|fields| fields.keys().all(|key| key == "."))
}

/// The part of the set that speaks of `entry`: `k:{"name":"a"}` for a list of objects, `v:"a"` for a list of scalars.
fn owned_entry<'a>(owned: &'a Value, entry: &Value) -> Option<&'a Value> {
    let speaks_of = |key: &str| {
        if let Some(keys) = key.strip_prefix("k:") {
            let keys = serde_json::from_str::<Map<String, Value>>(keys).unwrap_or_default();
            !keys.is_empty()
                && keys
                    .iter()
                    .all(|(name, value)| entry.get(name) == Some(value))
        } else if let Some(value) = key.strip_prefix("v:") {
            serde_json::from_str::<Value>(value).is_ok_and(|value| &value == entry)
        } else {
            false
        }
    };
    owned
        .as_object()?
        .iter()
        .find_map(|(key, owned)| speaks_of(key).then_some(owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "a",
                "namespace": "ns",
                "labels": {"x/y": "z"},
                "ownerReferences": [{"uid": "u-1", "name": "e"}],
            },
            "data": {"experiment.json": "{}"},
            "spec": {"steps": [{"name": "run", "template": {"name": "t"}}], "tags": ["a"]},
        })
    }

    fn owned() -> Value {
        json!({
            "f:metadata": {
                "f:labels": {"f:x/y": {}},
                "f:ownerReferences": {"k:{\"uid\":\"u-1\"}": {}},
            },
            "f:data": {"f:experiment.json": {}},
            "f:spec": {"f:steps": {}, "f:tags": {"v:\"a\"": {}}},
        })
    }

    #[test]
    fn what_was_applied_is_covered() {
        assert_eq!(first_uncovered(&owned(), &wanted()), None);
    }

    /// (what was taken from us, the path that is uncovered)
    #[test]
    fn what_somebody_took_from_us_is_found() {
        for (pointer, key, path) in [
            ("/f:metadata/f:labels", "f:x/y", "metadata.labels.x/y"),
            (
                "/f:metadata/f:ownerReferences",
                "k:{\"uid\":\"u-1\"}",
                "metadata.ownerReferences",
            ),
            ("/f:data", "f:experiment.json", "data.experiment.json"),
            ("/f:spec", "f:steps", "spec.steps"),
            ("", "f:data", "data"),
        ] {
            let mut owned = owned();
            let parent = owned.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
            parent.remove(key).unwrap();
            // The API server leaves no empty set behind.
            parent.insert("f:other".into(), json!({}));
            let found = first_uncovered(&owned, &wanted()).unwrap();
            assert!(found.starts_with(path), "{found}");
        }
        assert_eq!(
            first_uncovered(&applied_by_us(&[]), &wanted()).as_deref(),
            Some("data"),
            "nothing applied covers nothing"
        );
    }

    #[test]
    fn entries_of_lists_are_found_by_key_and_by_value() {
        let owned =
            json!({"f:l": {"k:{\"name\":\"a\"}": {".": {}, "f:x": {}}}, "f:s": {"v:1": {}}});
        for (wanted, uncovered) in [
            (json!({"l": [{"name": "a", "x": 1}]}), Some("l.name")),
            (json!({"l": [{"name": "b"}]}), Some("l[0]")),
            (json!({"s": [1]}), None),
            (json!({"s": [1, 2]}), Some("s[1]")),
        ] {
            assert_eq!(
                first_uncovered(&owned, &wanted).as_deref(),
                uncovered,
                "{wanted}"
            );
        }
    }

    #[test]
    fn only_our_own_apply_counts() {
        let entry = |manager: &str, operation: &str, subresource: Option<&str>| {
            serde_json::from_value(json!({
                "manager": manager, "operation": operation, "subresource": subresource, "fieldsV1": {"f:data": {}},
            }))
            .unwrap()
        };
        for (entry, ours) in [
            (entry("testbench", "Apply", None), true),
            (entry("testbench", "Update", None), false),
            (entry("kubectl", "Apply", None), false),
            (entry("testbench", "Apply", Some("status")), false),
        ] {
            let entries: [ManagedFieldsEntry; 1] = [entry];
            assert_eq!(
                applied_by_us(&entries) != json!({}),
                ours,
                "{:?}",
                entries[0]
            );
        }
    }
}

//! `metadata`, as far as it decides what is generated. The API server checks it by code, not by schema.

use serde_json::Value;

use super::Refusal;

/// Every field of ObjectMeta.
const KNOWN: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Fields of `metadata` that no object has.
pub(super) fn unknown_fields(object: &Value) -> Vec<Refusal> {
    let fields = object["metadata"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(field, _)| field);
    let unknown = fields.filter(|field| !KNOWN.contains(&field.as_str()));
    unknown
        .map(|field| Refusal {
            path: format!("metadata.{field}"),
            message: "unknown field; remove it".to_owned(),
        })
        .collect()
}

/// Everything in `metadata` that the API server would refuse.
pub(super) fn check(object: &Value) -> Vec<Refusal> {
    let metadata = &object["metadata"];
    let mut refusals = Vec::new();
    let mut refuse = |path: String, message: String| refusals.push(Refusal { path, message });
    match metadata.get("name") {
        Some(Value::String(name)) if is_subdomain(name) => {}
        Some(name) => refuse(
            "metadata.name".to_owned(),
            format!(
                "expected lower-case letters, digits, `-` and `.`, at most 253, starting and ending with a letter or digit; found {name}"
            ),
        ),
        None => refuse(
            "metadata.name".to_owned(),
            "is missing; give the object a name".to_owned(),
        ),
    }
    match metadata.get("namespace") {
        None => {}
        Some(Value::String(namespace)) if is_label(namespace) => {}
        Some(namespace) => refuse(
            "metadata.namespace".to_owned(),
            format!("expected lower-case letters, digits and `-`, at most 63; found {namespace}"),
        ),
    }
    for field in ["labels", "annotations"] {
        match metadata.get(field) {
            None => {}
            Some(Value::Object(entries)) => {
                for (key, value) in entries.iter().filter(|(_, value)| !value.is_string()) {
                    refuse(
                        format!("metadata.{field}.{key}"),
                        format!("expected a text, found {value}; put it in quotes"),
                    );
                }
            }
            Some(other) => refuse(
                format!("metadata.{field}"),
                format!("expected an object, found {other}"),
            ),
        }
    }
    refusals
}

fn is_subdomain(name: &str) -> bool {
    (1..=253).contains(&name.len()) && name.split('.').all(|part| is_label_of(part, 253))
}

fn is_label(name: &str) -> bool {
    is_label_of(name, 63)
}

fn is_label_of(name: &str, max: usize) -> bool {
    (1..=max).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

//! `metadata`, as far as it decides what is generated. The API server checks it by code, not by schema.

use serde_json::{Map, Value};

use super::Refusal;

/// What each owner says of itself, and what it may say.
const OWNER_REQUIRED: &[&str] = &["apiVersion", "kind", "name", "uid"];
const OWNER_OPTIONAL: &[&str] = &["blockOwnerDeletion", "controller"];

/// Of keys and values of all annotations together.
const ANNOTATIONS_BYTES: usize = 256 * 1024;

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

/// What in `metadata` is of another type than the API server reads there. It looks no further.
pub(super) fn unreadable(object: &Value) -> Vec<Refusal> {
    let fields = object["metadata"].as_object().into_iter().flatten();
    fields
        .filter(|(_, value)| !value.is_null())
        .flat_map(|(field, value)| unreadable_field(field, value))
        .collect()
}

fn unreadable_field(field: &str, value: &Value) -> Vec<Refusal> {
    let path = format!("metadata.{field}");
    match field {
        "name" | "generateName" | "namespace" => no_text(path, value).into_iter().collect(),
        "labels" | "annotations" => match value {
            Value::Object(entries) => entries
                .iter()
                .filter_map(|(key, value)| no_text(format!("{path}.{key}"), value))
                .collect(),
            other => vec![expected("an object", path, other)],
        },
        "finalizers" => entries_that_are_not("a text", path, value, Value::is_string),
        "ownerReferences" => entries_that_are_not("an object", path, value, Value::is_object),
        _ => Vec::new(),
    }
}

/// A null is an empty text.
fn no_text(path: String, value: &Value) -> Option<Refusal> {
    (!value.is_string() && !value.is_null()).then(|| Refusal {
        path,
        message: format!("expected a text, found {value}; put it in quotes"),
    })
}

/// The API server names the list alone.
fn entries_that_are_not(
    what: &str,
    path: String,
    value: &Value,
    is: fn(&Value) -> bool,
) -> Vec<Refusal> {
    let Some(entries) = value.as_array() else {
        return vec![expected("a list", path, value)];
    };
    let wrong = entries
        .iter()
        .filter(|entry| !is(entry) && !entry.is_null());
    wrong
        .map(|entry| expected(what, path.clone(), entry))
        .collect()
}

fn expected(what: &str, path: String, found: &Value) -> Refusal {
    Refusal {
        path,
        message: format!("expected {what}, found {found}"),
    }
}

/// Fields of `metadata` that no object has.
pub(super) fn unknown_fields(object: &Value) -> Vec<Refusal> {
    let metadata = &object["metadata"];
    let mut unknown = unknown_in(metadata, "metadata", |field| KNOWN.contains(&field));
    for (i, owner) in owners(metadata) {
        unknown.extend(unknown_in(owner, &owner_path(i), |field| {
            OWNER_REQUIRED.contains(&field) || OWNER_OPTIONAL.contains(&field)
        }));
    }
    unknown
}

fn unknown_in(object: &Value, path: &str, is_known: impl Fn(&str) -> bool) -> Vec<Refusal> {
    let fields = object.as_object().into_iter().flat_map(Map::keys);
    fields
        .filter(|field| !is_known(field))
        .map(|field| Refusal {
            path: format!("{path}.{field}"),
            message: "unknown field; remove it".to_owned(),
        })
        .collect()
}

/// `object` as it is stored: a field that is null is not there, and a label that is null is empty.
pub(super) fn without_nulls(mut object: Value) -> Value {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return object;
    };
    metadata.retain(|_, value| !value.is_null());
    for field in ["labels", "annotations"] {
        let entries = metadata.get_mut(field).and_then(Value::as_object_mut);
        for value in entries.into_iter().flat_map(Map::values_mut) {
            if value.is_null() {
                *value = Value::String(String::new());
            }
        }
    }
    object
}

/// What the API server would refuse in `metadata` that it could read.
pub(super) fn check(object: &Value) -> Vec<Refusal> {
    let metadata = &object["metadata"];
    let mut refusals = names(metadata);
    refusals.extend(labels(metadata));
    refusals.extend(annotations(metadata));
    refusals.extend(finalizers(metadata));
    for (i, owner) in owners(metadata) {
        refusals.extend(owner_without(owner, &owner_path(i)));
    }
    refusals
}

fn names(metadata: &Value) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |field: &str, message: String| refusals.push(refusal(field, message));
    let subdomain = "lower-case letters, digits, `-` and `.`, at most 253, starting and ending with a letter or digit";
    match metadata.get("name") {
        Some(Value::String(name)) if is_subdomain(name) => {}
        Some(name) => refuse("name", format!("expected {subdomain}; found {name}")),
        None => refuse("name", "is missing; give the object a name".to_owned()),
    }
    // A letter will follow.
    let prefix = metadata["generateName"].as_str().unwrap_or_default();
    if !prefix.is_empty() && !is_subdomain(&format!("{}a", prefix.trim_end_matches('-'))) {
        refuse(
            "generateName",
            format!("expected {subdomain}; found `{prefix}`"),
        );
    }
    match metadata.get("namespace") {
        None => {}
        Some(Value::String(namespace)) if is_label(namespace) => {}
        Some(namespace) => refuse(
            "namespace",
            format!("expected lower-case letters, digits and `-`, at most 63; found {namespace}"),
        ),
    }
    refusals
}

/// The API server names the field alone, whichever entry is wrong.
fn labels(metadata: &Value) -> Vec<Refusal> {
    let entries = metadata["labels"].as_object().into_iter().flatten();
    let refuse = |(key, value): (&String, &Value)| {
        let value = value.as_str().unwrap_or_default();
        if !is_qualified(key) {
            Some(no_qualified_name("labels", key))
        } else if !value.is_empty() && !is_name(value) {
            let message = format!(
                "expected a value of letters, digits, `-`, `_` and `.`, at most 63, starting and ending with a letter or digit; found `{value}` for `{key}`; use an annotation"
            );
            Some(refusal("labels", message))
        } else {
            None
        }
    };
    entries.filter_map(refuse).collect()
}

fn annotations(metadata: &Value) -> Vec<Refusal> {
    let entries: Vec<(&String, &Value)> = metadata["annotations"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    // Of a key here, the case does not matter.
    let wrong = entries
        .iter()
        .filter(|(key, _)| !is_qualified(&key.to_lowercase()));
    let mut refusals: Vec<_> = wrong
        .map(|(key, _)| no_qualified_name("annotations", key))
        .collect();
    let bytes: usize = entries
        .iter()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if bytes > ANNOTATIONS_BYTES {
        let message = format!(
            "expected at most {ANNOTATIONS_BYTES} bytes in all, found {bytes}; remove some"
        );
        refusals.push(refusal("annotations", message));
    }
    refusals
}

fn finalizers(metadata: &Value) -> Vec<Refusal> {
    let entries = metadata["finalizers"].as_array().into_iter().flatten();
    let names = entries.map(|name| name.as_str().unwrap_or_default());
    names
        .filter(|name| !is_qualified(name))
        .map(|name| no_qualified_name("finalizers", name))
        .collect()
}

fn owners(metadata: &Value) -> impl Iterator<Item = (usize, &Value)> {
    let owners = metadata["ownerReferences"].as_array();
    owners.into_iter().flatten().enumerate()
}

fn owner_path(i: usize) -> String {
    format!("metadata.ownerReferences[{i}]")
}

fn owner_without(owner: &Value, path: &str) -> Vec<Refusal> {
    let is_empty = |field: &&&str| matches!(&owner[**field], Value::Null) || owner[**field] == "";
    OWNER_REQUIRED
        .iter()
        .filter(is_empty)
        .map(|field| Refusal {
            path: format!("{path}.{field}"),
            message: "is required".to_owned(),
        })
        .collect()
}

fn refusal(field: &str, message: String) -> Refusal {
    Refusal {
        path: format!("metadata.{field}"),
        message,
    }
}

fn no_qualified_name(field: &str, name: &str) -> Refusal {
    let message = format!(
        "expected letters, digits, `-`, `_` and `.`, at most 63, starting and ending with a letter or digit, after a domain and `/` or without; found `{name}`"
    );
    refusal(field, message)
}

/// `example.com/Some_name`, or without the domain.
fn is_qualified(name: &str) -> bool {
    match name.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_name(name),
        None => is_name(name),
    }
}

fn is_name(name: &str) -> bool {
    let is_outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    name.len() <= 63
        && is_outer(name.bytes().next())
        && is_outer(name.bytes().next_back())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
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

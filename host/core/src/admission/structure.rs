//! The structural half of the verdict: unknown fields, types and bounds, duplicates in lists that are maps.

use std::collections::BTreeSet;

use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};

use super::Refusal;
use crate::path::join;
use crate::violation::{self, Violation};

/// The keys beside `spec` and `status` that every object has; the schema does not list them.
const OBJECT_KEYS: &[&str] = &["apiVersion", "kind", "metadata"];

/// Checks types, required fields and bounds.
pub(super) fn validator(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&spelt_out(schema))
}

/// Kubernetes' own keyword for a number or a text, in JSON Schema's words.
fn spelt_out(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let mut spelt: serde_json::Map<_, _> = keywords
                .iter()
                .map(|(keyword, value)| (keyword.clone(), spelt_out(value)))
                .collect();
            if keywords.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                spelt.insert("type".to_owned(), json!(["integer", "string"]));
            }
            Value::Object(spelt)
        }
        Value::Array(entries) => entries.iter().map(spelt_out).collect(),
        other => other.clone(),
    }
}

/// Fields that the schema does not know. Strict field validation refuses them before anything else.
pub(super) fn unknown_fields(schema: &Value, object: &Value) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        if !OBJECT_KEYS.contains(&key.as_str()) {
            unknown_below(schema, key, value, "", &mut refusals);
        }
    }
    refusals
}

fn unknown_below(
    parent: &Value,
    key: &str,
    value: &Value,
    path: &str,
    refusals: &mut Vec<Refusal>,
) {
    let path = join(path, key);
    let properties = &parent["properties"];
    let any_key = parent.get("additionalProperties");
    match properties.get(key).or(any_key) {
        Some(schema) => walk(schema, value, &path, refusals),
        None if parent["x-kubernetes-preserve-unknown-fields"] == true => {}
        None => {
            let advice = violation::did_you_mean(key, properties);
            refusals.push(Refusal {
                path,
                message: format!("unknown field; {advice}"),
            });
        }
    }
}

fn walk(schema: &Value, value: &Value, path: &str, refusals: &mut Vec<Refusal>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                unknown_below(schema, key, field, path, refusals);
            }
        }
        Value::Array(entries) => {
            for (i, entry) in entries.iter().enumerate() {
                walk(&schema["items"], entry, &format!("{path}[{i}]"), refusals);
            }
        }
        _ => {}
    }
}

/// `object` without the nulls of fields that are not nullable: the API server drops them, or puts the field's default in their
/// place, before it looks at anything else. Nulls in free-form objects and in lists stay.
pub(super) fn without_nulls(schema: &Value, object: Value) -> Value {
    match object {
        Value::Object(fields) => fields
            .into_iter()
            .filter_map(|(key, field)| {
                let known = schema["properties"].get(&key);
                let known = known.or_else(|| schema.get("additionalProperties"));
                let dropped =
                    field.is_null() && known.is_some_and(|schema| schema["nullable"] != true);
                let schema = known.unwrap_or(&Value::Null);
                (!dropped).then(|| (key, without_nulls(schema, field)))
            })
            .collect(),
        Value::Array(entries) => entries
            .into_iter()
            .map(|entry| without_nulls(&schema["items"], entry))
            .collect(),
        scalar => scalar,
    }
}

/// Wrong types, missing fields, values out of bounds.
pub(super) fn violations(validator: &Validator, schema: &Value, object: &Value) -> Vec<Refusal> {
    let violations = validator
        .iter_errors(object)
        .flat_map(|error| violation::of(&error, object, schema));
    violations
        .map(|Violation { path, message }| Refusal { path, message })
        .collect()
}

/// Entries of `x-kubernetes-list-type: map` lists that share their keys.
pub(super) fn duplicates(schema: &Value, object: &Value) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    duplicates_below(schema, object, "", &mut refusals);
    refusals
}

fn duplicates_below(schema: &Value, value: &Value, path: &str, refusals: &mut Vec<Refusal>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                duplicates_below(
                    &schema["properties"][key],
                    field,
                    &join(path, key),
                    refusals,
                );
            }
        }
        Value::Array(entries) => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            let mut seen = BTreeSet::new();
            for (i, entry) in entries.iter().enumerate() {
                let path = format!("{path}[{i}]");
                duplicates_below(&schema["items"], entry, &path, refusals);
                let Some(keys) = keys else { continue };
                let id: serde_json::Map<_, _> = keys
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|key| (key.to_owned(), entry[key].clone()))
                    .collect();
                let id = Value::Object(id).to_string();
                if !seen.insert(id.clone()) {
                    let message =
                        format!("Duplicate value: {id}; give every entry a name of its own");
                    refusals.push(Refusal { path, message });
                }
            }
        }
        _ => {}
    }
}

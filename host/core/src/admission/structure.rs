//! The structural half of the verdict: unknown fields, types and bounds, duplicates in lists that are maps.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};

use super::Refusal;
use crate::path::{dotted, join};

/// The keys beside `spec` and `status` that every object has; the schema does not list them.
const OBJECT_KEYS: &[&str] = &["apiVersion", "kind", "metadata"];

/// A name this close to a known one was probably meant to be it.
const SIMILAR: f64 = 0.7;

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
    match properties.get(key) {
        Some(schema) => walk(schema, value, &path, refusals),
        None if parent["x-kubernetes-preserve-unknown-fields"] == true => {}
        None => {
            let known = properties
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str());
            let closest = known
                .map(|name| (strsim::jaro_winkler(name, key), name))
                .filter(|(similarity, _)| *similarity >= SIMILAR)
                .max_by(|(a, _), (b, _)| a.total_cmp(b));
            let advice = closest.map_or("remove it".to_owned(), |(_, name)| {
                format!("did you mean `{name}`?")
            });
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

/// Wrong types, missing fields, values out of bounds.
pub(super) fn violations(validator: &Validator, object: &Value) -> Vec<Refusal> {
    validator
        .iter_errors(object)
        .map(|error| refusal(&error, object))
        .collect()
}

fn refusal(error: &ValidationError<'_>, object: &Value) -> Refusal {
    let path = dotted(error.instance_path().as_str(), object);
    let found = brief(error.instance());
    match error.kind() {
        Kind::Required { property } => Refusal {
            path: join(&path, property.as_str().unwrap_or_default()),
            message: "is required; add it".to_owned(),
        },
        Kind::Type { .. } => Refusal {
            path,
            message: format!("{error}"),
        },
        Kind::Enum { options } => Refusal {
            path,
            message: format!("expected one of {}, found {found}", listed(options)),
        },
        Kind::Minimum { limit } => Refusal {
            path,
            message: format!("expected at least {limit}, found {found}"),
        },
        Kind::Maximum { limit } => Refusal {
            path,
            message: format!("expected at most {limit}, found {found}"),
        },
        Kind::MinLength { limit: 1 } => Refusal {
            path,
            message: "must not be empty".to_owned(),
        },
        Kind::MinItems { limit } => Refusal {
            path,
            message: format!(
                "expected at least {limit} entry, found none; add one, or remove the field"
            ),
        },
        Kind::MaxItems { limit } => {
            let count = error.instance().as_array().map_or(0, Vec::len);
            Refusal {
                path,
                message: format!("expected at most {limit} entries, found {count}"),
            }
        }
        Kind::MaxLength { limit } => {
            let count = error
                .instance()
                .as_str()
                .map_or(0, |text| text.chars().count());
            Refusal {
                path,
                message: format!("expected at most {limit} characters, found {count}"),
            }
        }
        Kind::Pattern { pattern } => Refusal {
            path,
            message: format!("expected text that matches {pattern}, found {found}"),
        },
        _ => Refusal {
            path,
            message: error.to_string(),
        },
    }
}

fn listed(options: &Value) -> String {
    options
        .as_array()
        .into_iter()
        .flatten()
        .map(|option| option.as_str().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A value in a message: whole where it is short.
fn brief(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
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

//! Where a document breaks its JSON Schema, in words that say what was expected, what was found, and what to do.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use crate::path::{dotted, join};

/// One place where a document breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Where, from the document's root.
    pub(crate) path: String,
    /// What was expected, what was found, what to do.
    pub(crate) message: String,
}

/// A name this close to a known one was probably meant to be it.
const SIMILAR: f64 = 0.7;

/// What `error` says of `document`: one violation, or one for each unknown field. `schema` is the document's.
pub(crate) fn of(error: &ValidationError<'_>, document: &Value, schema: &Value) -> Vec<Violation> {
    let path = dotted(error.instance_path().as_str(), document);
    let found = brief(error.instance());
    let message = match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let properties = properties_at(error.schema_path().as_str(), schema);
            let unknown = |key: &String| Violation {
                path: join(&path, key),
                message: format!("unknown field; {}", did_you_mean(key, &properties)),
            };
            return unexpected.iter().map(unknown).collect();
        }
        Kind::Required { property } => {
            let path = join(&path, property.as_str().unwrap_or_default());
            return vec![Violation {
                path,
                message: "is required; add it".to_owned(),
            }];
        }
        Kind::Type { kind } => format!("expected {}, found {found}", type_name(kind)),
        Kind::Enum { options } => format!("expected one of {}, found {found}", listed(options)),
        Kind::Minimum { limit } => format!("expected at least {limit}, found {found}"),
        Kind::Maximum { limit } => format!("expected at most {limit}, found {found}"),
        Kind::MinLength { limit: 1 } => "must not be empty; fill it in".to_owned(),
        Kind::MinItems { limit } => {
            format!("expected at least {limit} entry, found none; add one")
        }
        Kind::MaxItems { limit } => {
            let count = error.instance().as_array().map_or(0, Vec::len);
            format!("expected at most {limit} entries, found {count}")
        }
        Kind::MaxLength { limit } => {
            let count = error
                .instance()
                .as_str()
                .map_or(0, |text| text.chars().count());
            format!("expected at most {limit} characters, found {count}")
        }
        Kind::OneOfMultipleValid { .. } | Kind::OneOfNotValid { .. } => {
            match alternatives_at(error.schema_path().as_str(), schema) {
                Some(names) => format!(
                    "expected exactly one of {}, found {found}",
                    names.join(", ")
                ),
                None => error.to_string(),
            }
        }
        Kind::Pattern { pattern } => format!("expected text that matches {pattern}, found {found}"),
        _ => error.to_string(),
    };
    vec![Violation { path, message }]
}

/// What to do about the unknown `key` beside the known `properties`.
pub(crate) fn did_you_mean(key: &str, properties: &Value) -> String {
    let known = properties
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str());
    let closest = known
        .map(|name| (strsim::jaro_winkler(name, key), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    closest.map_or("remove it".to_owned(), |(_, name)| {
        format!("did you mean `{name}`?")
    })
}

/// The properties beside the `additionalProperties` at `schema_path`.
fn properties_at(schema_path: &str, schema: &Value) -> Value {
    let parent = schema_path
        .rsplit_once('/')
        .map_or("", |(parent, _)| parent);
    schema
        .pointer(&format!("{parent}/properties"))
        .cloned()
        .unwrap_or_default()
}

/// The fields that the alternatives at `schema_path` ask for, where each asks for one.
fn alternatives_at<'a>(schema_path: &str, schema: &'a Value) -> Option<Vec<&'a str>> {
    let alternatives = schema.pointer(schema_path)?.as_array()?;
    let wanted = |alternative: &'a Value| match alternative["required"].as_array()?.as_slice() {
        [name] => name.as_str(),
        _ => None,
    };
    alternatives.iter().map(wanted).collect()
}

fn type_name(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(kinds) => kinds
            .iter()
            .map(|kind| kind.to_string())
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

fn listed(options: &Value) -> String {
    let options = options.as_array().into_iter().flatten();
    options
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

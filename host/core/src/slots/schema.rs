//! A plugin's settings schema, judged before it is used: what it costs to hold settings against it is bounded, whatever it says.

use std::collections::BTreeSet;

use serde_json::Value;

/// Most subschemas, each counted as often as a reference reaches it. A chain of references that each name the next one twice
/// doubles with every link, and so would the time.
const MAX_SUBSCHEMAS: usize = 20_000;

/// Why a schema is refused.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is none, or refers to something outside itself.
    #[error("it is no JSON Schema that this host takes")]
    Invalid(#[source] Box<jsonschema::ValidationError<'static>>),
    /// It refers to itself.
    #[error("`{0}` refers to a part that contains it; spell out as many levels as are needed")]
    Recursive(String),
    /// References by anything else than a path into the schema.
    #[error(
        "`{0}` is used; refer to parts by their path, for example {{\"$ref\": \"#/$defs/name\"}}"
    )]
    Reference(String),
    /// Too many subschemas.
    #[error(
        "it comes to more than {MAX_SUBSCHEMAS} subschemas, references followed; make it smaller"
    )]
    TooLarge,
}

/// The validator of `schema`.
///
/// # Errors
///
/// Why it is refused.
pub(super) fn validator(schema: &Value) -> Result<jsonschema::Validator, SchemaError> {
    let mut walk = Walk {
        root: schema,
        left: MAX_SUBSCHEMAS,
        open: BTreeSet::new(),
    };
    walk.visit(schema)?;
    // Patterns come from a plugin: the linear-time engine, never a backtracking one. No `$ref` leaves the schema: the crate is built
    // without any way to fetch one.
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|error| SchemaError::Invalid(Box::new(error)))
}

struct Walk<'a> {
    root: &'a Value,
    left: usize,
    /// References on the way to here.
    open: BTreeSet<&'a str>,
}

impl<'a> Walk<'a> {
    /// The document's depth is bounded where it is read, and references are never open twice.
    fn visit(&mut self, value: &'a Value) -> Result<(), SchemaError> {
        self.left = self.left.checked_sub(1).ok_or(SchemaError::TooLarge)?;
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    match (key.as_str(), field) {
                        ("$ref", Value::String(reference)) => self.follow(reference)?,
                        (
                            "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor",
                            Value::String(_),
                        ) => {
                            return Err(SchemaError::Reference(key.clone()));
                        }
                        _ => self.visit(field)?,
                    }
                }
                Ok(())
            }
            Value::Array(entries) => entries.iter().try_for_each(|entry| self.visit(entry)),
            _ => Ok(()),
        }
    }

    fn follow(&mut self, reference: &'a str) -> Result<(), SchemaError> {
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(SchemaError::Reference(reference.to_owned()));
        };
        // What leads nowhere is refused by the crate, in its own words.
        let Some(target) = self.root.pointer(pointer) else {
            return Ok(());
        };
        if !self.open.insert(pointer) {
            return Err(SchemaError::Recursive(reference.to_owned()));
        }
        self.visit(target)?;
        self.open.remove(pointer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::with_causes;

    /// `links` definitions, each of which is the next one twice.
    fn doubling(links: usize) -> Value {
        let link = |i: usize| {
            let next = json!({"$ref": format!("#/$defs/{}", i + 1)});
            (i.to_string(), json!({"allOf": [next, next]}))
        };
        let mut defs: serde_json::Map<_, _> = (0..links).map(link).collect();
        defs.insert(links.to_string(), json!({"type": "object"}));
        json!({"$ref": "#/$defs/0", "$defs": defs})
    }

    #[test]
    fn ordinary_schemas_are_taken() {
        for schema in [
            json!({}),
            json!({"type": "object", "properties": {"$ref": {"type": "string"}}}),
            json!({"$defs": {"a": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"$ref": "#/$defs/a"}}}),
            doubling(8),
        ] {
            assert!(validator(&schema).is_ok(), "{schema}");
        }
    }

    #[test]
    fn what_could_cost_without_bound_is_refused() {
        for (schema, expected) in [
            (doubling(40), "more than 20000 subschemas"),
            (
                json!({"properties": {"a": {"$ref": "#"}}}),
                "`#` refers to a part that contains it",
            ),
            (
                json!({"$ref": "https://example.com/schema"}),
                "`https://example.com/schema` is used",
            ),
            (
                json!({"$ref": "file:///etc/passwd"}),
                "`file:///etc/passwd` is used",
            ),
            (json!({"$id": "https://example.com/"}), "`$id` is used"),
            (json!({"$dynamicRef": "#x"}), "`$dynamicRef` is used"),
            (
                json!({"$ref": "#/nowhere"}),
                "no JSON Schema that this host takes",
            ),
            (
                json!({"pattern": "(((a{99}){99}){99}){99}"}),
                "no JSON Schema that this host takes",
            ),
            (
                json!({"pattern": "(?=a)b"}),
                "no JSON Schema that this host takes",
            ),
            (json!({"type": 3}), "no JSON Schema that this host takes"),
        ] {
            let found = with_causes(&validator(&schema).unwrap_err());
            assert!(found.contains(expected), "{schema}: {found}");
        }
    }
}

//! What the host offers a plugin while it runs.
//!
//! In a native build, where there is no host, the same functions answer by themselves: a plugin's own tests need
//! nothing but `cargo test`.

use serde_json::Value;

use crate::Level;
#[cfg(target_arch = "wasm32")]
use crate::bindings::testbench::phase::host as imports;

/// `text` written so that Testkube shows it as typed. Every string of a workflow is a template of its own: without
/// this, a user's `{{ 1+1 }}` arrives as `2`.
pub fn literal(text: &str) -> String {
    imports::literal(text)
}

/// `value` with every string in it, at any depth, written by [`literal`]; keys stay as they are.
pub fn literal_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal(&text)),
        Value::Array(items) => items.into_iter().map(literal_json).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, field)| (key, literal_json(field)))
            .collect(),
        scalar => scalar,
    }
}

/// The name under which the host applies this phase's object `key`. In a native build `test-<key>`.
///
/// A key that is not `[a-z0-9]{1,20}` is a defect of the plugin: the call ends there.
pub fn object_name(key: &str) -> String {
    imports::object_name(key)
}

/// A line for the plugin's author: printed by the test kit, debug log in the cluster, standard error in a native build.
/// What the user must know belongs into a diagnostic.
pub fn log(level: Level, message: &str) {
    imports::log(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
mod imports {
    use crate::Level;

    pub(super) fn literal(text: &str) -> String {
        text.replace("{{", r#"{{"{{"}}"#)
    }

    pub(super) fn object_name(key: &str) -> String {
        let valid = (1..=20).contains(&key.len())
            && key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        assert!(valid, "object key {key:?} is not [a-z0-9]{{1,20}}");
        format!("test-{key}")
    }

    pub(super) fn log(level: Level, message: &str) {
        eprintln!("{level:?}: {message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literal_writes_every_opening_as_an_expression() {
        for (typed, written) in [
            ("plain } {", "plain } {"),
            ("a {{ 1+1 }} b", r#"a {{"{{"}} 1+1 }} b"#),
            ("{{{", r#"{{"{{"}}{"#),
            ("{{{{", r#"{{"{{"}}{{"{{"}}"#),
            ("", ""),
        ] {
            assert_eq!(literal(typed), written);
        }
    }

    #[test]
    fn literal_json_reaches_every_depth() {
        assert_eq!(
            literal_json(json!({"a": ["{{", {"b": "{{"}], "n": 1, "z": null})),
            json!({"a": [r#"{{"{{"}}"#, {"b": r#"{{"{{"}}"#}], "n": 1, "z": null}),
        );
    }

    #[test]
    #[should_panic(expected = "is not [a-z0-9]{1,20}")]
    fn an_invalid_key_ends_the_call() {
        object_name("Not valid");
    }
}

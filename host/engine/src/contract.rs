//! What a plugin says of itself and what it contributes, as plain types, checked.

use serde_json::{Map, Value};

/// A kind of Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gvk {
    /// As in a manifest: `v1`, `apps/v1`.
    pub api_version: String,
    /// `ConfigMap`.
    pub kind: String,
}

/// What a plugin says of itself. A constant of its component.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// Informative, never an identity.
    pub name: String,
    /// Informative.
    pub version: String,
    /// JSON Schema of the merged settings.
    pub settings_schema: Value,
    /// Keys of the input that it wants beside the base.
    pub inputs: Vec<String>,
    /// Kinds that it would like to emit.
    pub creates: Vec<Gvk>,
}

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Probably not what the user wants.
    Warning,
}

/// What a plugin has to tell the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// The plugin's own, CamelCase.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// JSON Pointer into the request.
    pub path: Option<String>,
}

/// A Kubernetes object, apart from what the host owns.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Unique within the phase: `[a-z0-9]{1,20}`.
    pub key: String,
    /// Its kind.
    pub kind: Gvk,
    /// Without apiVersion, kind and status.
    pub body: Map<String, Value>,
}

/// One phase's piece.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contribution {
    /// Part of a TestWorkflow's `spec`.
    pub workflow: Option<Map<String, Value>>,
    /// Objects of its own.
    pub objects: Vec<Manifest>,
    /// At most 32.
    pub diagnostics: Vec<Diagnostic>,
}

/// Who can help where a plugin contributes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The user: it cannot be served as written.
    Rejected,
    /// Time: something that may come is not there yet.
    Waiting,
}

/// Why a plugin contributes nothing, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Who can help.
    pub kind: FailureKind,
    /// At most 32.
    pub diagnostics: Vec<Diagnostic>,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// Good to know.
    Info,
    /// Odd.
    Warn,
    /// Wrong.
    Error,
}

/// One line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its severity.
    pub level: LogLevel,
    /// At most 1 KiB, without control characters.
    pub message: String,
}

/// `text` written so that Testkube shows it as typed instead of evaluating `{{ … }}`.
#[must_use]
pub fn literal(text: &str) -> String {
    text.replace("{{", r#"{{"{{"}}"#)
}

/// Longest key of an object.
pub(crate) const MAX_KEY: usize = 20;

/// Whether `key` may name an object of a plugin: `[a-z0-9]{1,20}`.
#[must_use]
pub fn is_object_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right column was tried on a real Testkube: it arrives as the left one.
    #[test]
    fn literal_escapes_what_testkube_would_evaluate_and_nothing_else() {
        for (typed, written) in [
            ("plain", "plain"),
            ("a {{ 1+1 }} b", r#"a {{"{{"}} 1+1 }} b"#),
            ("{{{{", r#"{{"{{"}}{{"{{"}}"#),
            ("} }} { \" &", "} }} { \" &"),
        ] {
            assert_eq!(literal(typed), written);
        }
    }
}

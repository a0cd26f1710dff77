//! Short ways to write the contract's own records.

use serde_json::{Map, Value, json};

use crate::{Descriptor, Diagnostic, Failure, FailureKind, Gvk, Severity};

/// Schema of a phase without settings.
const NO_SETTINGS: &str = r#"{"type": "object", "additionalProperties": false}"#;

impl Descriptor {
    /// A plugin without settings, inputs beside the base, or objects. `version` is `env!("CARGO_PKG_VERSION")`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            settings_schema: NO_SETTINGS.to_owned(),
            requires: Vec::new(),
            inputs: Vec::new(),
            creates: Vec::new(),
            ext: None,
        }
    }

    /// The JSON Schema (2020-12) of the settings: what the host accepts from the user.
    pub fn settings_schema(mut self, schema: &str) -> Self {
        self.settings_schema = schema.to_owned();
        self
    }

    /// The keys of the input that are wanted beside the base, for example `env`. What is not named is not sent.
    pub fn inputs(mut self, keys: &[&str]) -> Self {
        self.inputs = keys.iter().map(|&key| key.to_owned()).collect();
        self
    }

    /// A kind that the phase may emit.
    pub fn creates(mut self, kind: Gvk) -> Self {
        self.creates.push(kind);
        self
    }
}

impl Gvk {
    /// As in a manifest: `v1`, `ConfigMap`.
    pub fn new(api_version: &str, kind: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        }
    }
}

impl Diagnostic {
    /// Something the user should change.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    /// Something the user may want to know.
    pub fn info(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message.into())
    }

    fn new(severity: Severity, code: &str, message: String) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            message,
            path: None,
        }
    }

    /// Points into the request: a JSON Pointer, `/settings/…` or `/input/…`.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
        };
        let mut fields = Map::from_iter([
            ("severity".to_owned(), json!(severity)),
            ("code".to_owned(), json!(self.code)),
            ("message".to_owned(), json!(self.message)),
        ]);
        fields.extend(
            self.path
                .iter()
                .map(|path| ("path".to_owned(), json!(path))),
        );
        Value::Object(fields)
    }
}

impl Failure {
    /// The request cannot be served as written: an error for the user to fix.
    pub fn rejected(code: &str, message: impl Into<String>) -> Self {
        Self::rejected_with(Diagnostic::warning(code, message))
    }

    /// As [`Failure::rejected`], with a diagnostic that points into the request.
    pub fn rejected_with(diagnostic: Diagnostic) -> Self {
        Self::new(FailureKind::Rejected, diagnostic)
    }

    /// The input lacks something that may come; shown as waiting.
    pub fn waiting(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Waiting, Diagnostic::info(code, message))
    }

    fn new(kind: FailureKind, diagnostic: Diagnostic) -> Self {
        Self {
            kind,
            diagnostics: vec![diagnostic],
            ext: None,
        }
    }
}

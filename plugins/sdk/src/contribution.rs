//! What a phase gives back.

use serde_json::{Map, Value, json};

use crate::bindings::testbench::phase::types as wire;
use crate::{Diagnostic, EnvVar, Gvk};

/// A phase's piece of the workflow, its own objects, and what the user should know.
///
/// Builders write what they are given. Testkube evaluates `{{ … }}` in every string of a workflow, which is how a plugin
/// uses expressions: text that the plugin was given goes through [`crate::literal`] first.
#[derive(Clone, Debug, Default)]
pub struct Contribution {
    workflow: Map<String, Value>,
    objects: Vec<Object>,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, Debug)]
struct Object {
    key: String,
    kind: Gvk,
    body: Value,
}

impl Contribution {
    /// Nothing yet; also what a phase returns that has nothing to do.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step. A single one is named after the phase by the host; several become its children.
    pub fn step(self, step: Step) -> Self {
        self.workflow("steps", json!([step.0]))
    }

    /// Adds a variable to the container of every step.
    pub fn env(self, variable: EnvVar) -> Self {
        self.workflow("container", json!({"env": [variable]}))
    }

    /// Adds a file to the container of every step.
    pub fn file(self, path: &str, content: &str) -> Self {
        let file = json!({"path": path, "content": content});
        self.workflow("content", json!({"files": [file]}))
    }

    /// Adds a file from a ConfigMap. Its text is not evaluated, and the run waits until the ConfigMap exists.
    pub fn file_from_config_map(self, path: &str, config_map: &str, key: &str) -> Self {
        let source = json!({"configMapKeyRef": {"name": config_map, "key": key}});
        let file = json!({"path": path, "contentFrom": source});
        self.workflow("content", json!({"files": [file]}))
    }

    /// Merges a key of a TestWorkflow `spec` into what is there: objects key by key, lists one after the other, and of two
    /// scalars the later.
    pub fn workflow(mut self, key: &str, value: Value) -> Self {
        merge(
            &mut self.workflow,
            Map::from_iter([(key.to_owned(), value)]),
        );
        self
    }

    /// Adds an object. `key` is `[a-z0-9]{1,20}` and unique in this contribution; [`crate::object_name`] tells the name
    /// that it gets. `body` has neither apiVersion nor kind nor status, and of metadata only labels and annotations.
    pub fn object(mut self, key: impl Into<String>, kind: Gvk, body: Value) -> Self {
        self.objects.push(Object {
            key: key.into(),
            kind,
            body,
        });
        self
    }

    /// Adds a diagnostic.
    pub fn diagnostic(mut self, diagnostic: Diagnostic) -> Self {
        self.diagnostics.push(diagnostic);
        self
    }

    /// Warns the user: what is wrong and what to do.
    pub fn warning(self, code: &str, message: impl Into<String>) -> Self {
        self.diagnostic(Diagnostic::warning(code, message))
    }

    /// Tells the user something that is not wrong.
    pub fn info(self, code: &str, message: impl Into<String>) -> Self {
        self.diagnostic(Diagnostic::info(code, message))
    }

    /// The whole as one document, to compare in tests: `workflow`, `objects` and `diagnostics`, each only where there is
    /// any.
    pub fn to_json(&self) -> Value {
        let objects: Vec<_> = self.objects.iter().map(Object::to_json).collect();
        let diagnostics: Vec<_> = self.diagnostics.iter().map(Diagnostic::to_json).collect();
        let mut document = Map::new();
        for (key, part) in [
            ("workflow", json!(self.workflow)),
            ("objects", json!(objects)),
            ("diagnostics", json!(diagnostics)),
        ] {
            if part != json!({}) && part != json!([]) {
                document.insert(key.to_owned(), part);
            }
        }
        Value::Object(document)
    }
}

impl Object {
    fn to_json(&self) -> Value {
        json!({
            "key": self.key,
            "apiVersion": self.kind.api_version,
            "kind": self.kind.kind,
            "body": self.body,
        })
    }
}

fn merge(into: &mut Map<String, Value>, part: Map<String, Value>) {
    for (key, new) in part {
        match (into.get_mut(&key), new) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new),
            (_, new) => {
                into.insert(key, new);
            }
        }
    }
}

impl From<Contribution> for wire::Contribution {
    fn from(contribution: Contribution) -> Self {
        let Contribution {
            workflow,
            objects,
            diagnostics,
        } = contribution;
        Self {
            workflow: (!workflow.is_empty()).then(|| Value::Object(workflow).to_string()),
            objects: objects.into_iter().map(wire::Manifest::from).collect(),
            diagnostics,
            ext: None,
        }
    }
}

impl From<Object> for wire::Manifest {
    fn from(Object { key, kind, body }: Object) -> Self {
        Self {
            key,
            kind,
            body: body.to_string(),
        }
    }
}

/// A step of the workflow.
#[derive(Clone, Debug)]
pub struct Step(Map<String, Value>);

impl Step {
    /// A step that runs a TestWorkflowTemplate; [`Step::config`] sets its parameters.
    pub fn template(name: &str) -> Self {
        Self(Map::new()).field("template", json!({"name": name}))
    }

    /// A step to which [`Step::field`] gives all that it has.
    pub fn empty() -> Self {
        Self(Map::new())
    }

    /// A step that runs a shell script in an image.
    pub fn shell(image: &str, script: &str) -> Self {
        Self(Map::new())
            .field("container", json!({"image": image}))
            .field("shell", script.into())
    }

    /// A step that runs a command in an image, without a shell between: an argument arrives whole, whatever is in it.
    pub fn command(image: &str, command: &[&str], args: &[&str]) -> Self {
        let run = json!({"image": image, "command": command, "args": args});
        Self(Map::new()).field("run", run)
    }

    /// Names the step. One that stands alone needs none.
    pub fn name(self, name: &str) -> Self {
        self.field("name", name.into())
    }

    /// Sets a parameter of the template: a string or an integer.
    pub fn config(self, parameter: &str, value: impl Into<Value>) -> Self {
        let config = Map::from_iter([(parameter.to_owned(), value.into())]);
        self.field("template", json!({"config": config}))
    }

    /// Bounds the step's time: `30s`, `10m`, `1h30m`.
    pub fn timeout(self, duration: &str) -> Self {
        self.field("timeout", duration.into())
    }

    /// Sets any other field, merged as [`Contribution::workflow`] merges.
    pub fn field(mut self, key: &str, value: Value) -> Self {
        merge(&mut self.0, Map::from_iter([(key.to_owned(), value)]));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_add_up_to_one_document() {
        let contribution = Contribution::new()
            .step(
                Step::template("a")
                    .config("x", 1)
                    .config("y", "2")
                    .timeout("5m"),
            )
            .step(Step::shell("busybox", "true").name("b"))
            .step(Step::command("busybox", &["echo"], &["x"]).name("c"))
            .env(EnvVar::value("A", "1"))
            .env(EnvVar::from_config_map("B", "map", "key"))
            .file("/a", "text")
            .file_from_config_map("/b", "map", "key")
            .workflow("concurrency", json!({"max": 1}))
            .object("o", Gvk::new("v1", "ConfigMap"), json!({"data": {}}))
            .info("Code", "message");
        let files = json!([
            {"path": "/a", "content": "text"},
            {"path": "/b", "contentFrom": {"configMapKeyRef": {"name": "map", "key": "key"}}},
        ]);
        let env = json!([
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "key"}}},
        ]);
        let steps = json!([
            {"template": {"name": "a", "config": {"x": 1, "y": "2"}}, "timeout": "5m"},
            {"name": "b", "container": {"image": "busybox"}, "shell": "true"},
            {"name": "c", "run": {"image": "busybox", "command": ["echo"], "args": ["x"]}},
        ]);
        assert_eq!(
            contribution.to_json(),
            json!({
                "workflow": {
                    "steps": steps,
                    "container": {"env": env},
                    "content": {"files": files},
                    "concurrency": {"max": 1},
                },
                "objects": [{"key": "o", "apiVersion": "v1", "kind": "ConfigMap", "body": {"data": {}}}],
                "diagnostics": [{"severity": "info", "code": "Code", "message": "message"}],
            })
        );
    }

    #[test]
    fn nothing_crosses_as_nothing() {
        let wire = wire::Contribution::from(Contribution::new());
        assert!(wire.workflow.is_none() && wire.objects.is_empty() && wire.diagnostics.is_empty());
        assert_eq!(Contribution::new().to_json(), json!({}));
    }
}

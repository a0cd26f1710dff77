//! One plugin alone, with a request that somebody wrote down: what an author's test shows before there is a cluster, or a chain to
//! be part of. The call, its limits, and the rules for the piece are those of the pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use testbench_api::{ExperimentSpec, PhasePluginSpec};
use testbench_engine::{
    Call, CallError, Contribution, Cost, Engine, Failure, FailureKind, Gvk, Manifest, Outcome,
    Plugin,
};

use crate::compose::{self, ComposeError, Grants, Piece, Placement, PluginIdentity};
use crate::config::PluginConfig;
use crate::experiment::Experiment;
use crate::invoke::{EXPERIMENT_KEY, input_keys, reasons, unknown_inputs};
use crate::path::join;
use crate::resolve::{Endpoint, ObjectRef, OtelEndpoint};
use crate::slots::{RegisterError, Registered};
use crate::validate::{Data, Scoring, Validated};
use crate::violation::{self, Violation};

/// What `request.input` holds, for those who write one down.
const INPUT_SCHEMA: &str = include_str!("../../../docs/input.schema.json");
/// Keys of the base that the host makes of the Experiment's name.
const COMPUTED: [&str; 2] = ["workflowName", "configMapName"];

/// Namespace of everything, where a request names none.
const NAMESPACE: &str = "team";

/// What stands in for a request of the host, as a person writes it. What is left out has a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The slot; by default, the name that the plugin gives itself.
    pub phase: Option<String>,
    /// What the Experiment says in `spec.phases[].settings`.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Keys of the input. They replace or join those of an Experiment `test` in namespace `team`.
    #[serde(default)]
    pub input: Map<String, Value>,
}

/// A plugin as its PhasePlugin would bring it, with no grant.
#[derive(Debug)]
pub struct Subject {
    engine: Engine,
    registered: Registered,
}

/// What became of one call.
#[derive(Debug)]
pub struct Answer {
    /// A contribution that keeps all rules, or why there is none.
    pub result: Result<Contribution, AloneError>,
    /// The end of what the plugin wrote and logged. Where the call itself failed, the error holds it.
    pub written: String,
    /// What the call cost, where it came to an end by itself.
    pub cost: Option<Cost>,
}

/// Why there is no contribution.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// No host would send this.
    #[error("{}", listed(.0))]
    Request(Vec<String>),
    /// The plugin's schema refuses the settings.
    #[error("{}", listed(.0))]
    Settings(Vec<String>),
    /// The plugin refuses the request, or waits for something.
    #[error("{}: {}", verb(.0.kind), reasons(&.0.diagnostics))]
    Refused(Failure),
    /// The call failed: a limit, a trap, an answer that is none.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The contribution says what it may not.
    #[error("{}", listed(.0))]
    Compose(Vec<ComposeError>),
    /// Two calls with one request gave two answers.
    #[error(
        "two calls with the same request gave different answers; a plugin has to be a pure function of its request"
    )]
    Impure,
}

impl AloneError {
    /// Whether somebody may expect this of a plugin that does what it should.
    #[must_use]
    pub fn may_be_meant(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Refused(_) => true,
            Self::Request(_) | Self::Call(_) | Self::Compose(_) | Self::Impure => false,
        }
    }
}

fn listed(lines: &[impl ToString]) -> String {
    let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn verb(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Rejected => "rejected",
        FailureKind::Waiting => "waiting",
    }
}

impl Subject {
    /// # Errors
    ///
    /// Where the plugin's descriptor asks for something that no host has.
    pub fn new(engine: Engine, plugin: Plugin) -> Result<Self, RegisterError> {
        let name = plugin.descriptor().name.clone();
        let object = ObjectRef {
            namespace: NAMESPACE.to_owned(),
            name,
        };
        let (spec, config) = (PhasePluginSpec::default(), PluginConfig::default());
        let registered = Registered::custom(&object, &spec, plugin, &config)?;
        Ok(Self { engine, registered })
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.registered.plugin
    }

    /// Calls the plugin, twice, and holds its answer against the rules of the chain.
    pub async fn answer(&self, request: &Request) -> Answer {
        let without_call = |error| Answer {
            result: Err(error),
            written: String::new(),
            cost: None,
        };
        let document = match self.document(request) {
            Ok(document) => document,
            Err(error) => return without_call(error),
        };
        match (self.call(&document).await, self.call(&document).await) {
            (Err(error), _) | (_, Err(error)) => without_call(error.into()),
            (Ok(first), Ok(second)) => {
                let result = if first.result == second.result {
                    self.measured(first.result, &document)
                } else {
                    Err(AloneError::Impure)
                };
                Answer {
                    result,
                    written: first.written,
                    cost: Some(first.cost),
                }
            }
        }
    }

    /// What the host would send for `request`.
    fn document(&self, request: &Request) -> Result<Document, AloneError> {
        let Request {
            phase,
            settings,
            input,
        } = request;
        let input = whole_input(input).map_err(AloneError::Request)?;
        let refused = self.registered.refuse_settings(settings).into_iter();
        let refused: Vec<_> = refused.map(|violation| at("settings", violation)).collect();
        if !refused.is_empty() {
            return Err(AloneError::Settings(refused));
        }
        let name = &self.plugin().descriptor().name;
        Ok(Document {
            phase: phase.as_ref().unwrap_or(name).clone(),
            placement: placement(&input),
            settings: settings.clone(),
            input,
        })
    }

    async fn call(&self, document: &Document) -> Result<Outcome, CallError> {
        let Document {
            phase,
            placement,
            settings,
            input,
        } = document;
        let asked = &self.plugin().descriptor().inputs;
        let mut sent = input.clone();
        sent.retain(|key, _| !input_keys().any(|known| known == key) || asked.contains(key));
        let (naming, identity) = (placement.clone(), self.registered.identity.clone());
        let call = Call {
            phase: phase.clone(),
            namespace: placement.namespace.clone(),
            settings: Value::Object(settings.clone()),
            input: Value::Object(sent),
            object_names: Arc::new(move |key| naming.object_name(&identity, key)),
            holder: placement.namespace.clone(),
            limits: self.registered.limits,
        };
        self.engine.generate(self.plugin(), call).await
    }

    fn measured(
        &self,
        result: Result<Contribution, Failure>,
        document: &Document,
    ) -> Result<Contribution, AloneError> {
        let contribution = result.map_err(AloneError::Refused)?;
        let bundled = (PluginIdentity::Bundled, Grants::default());
        let (experiment, piece) = (
            Piece {
                phase: EXPERIMENT_KEY,
                identity: &bundled.0,
                grants: &bundled.1,
                is_placed: true,
                contribution: &experiment_config_map(),
            },
            Piece {
                phase: &document.phase,
                identity: &self.registered.identity,
                grants: &self.registered.grants,
                is_placed: true,
                contribution: &contribution,
            },
        );
        compose::compose(
            &validated(document),
            [experiment, piece],
            &document.placement,
        )
        .map_err(AloneError::Compose)?;
        Ok(contribution)
    }
}

/// A request with everything that the host adds.
struct Document {
    phase: String,
    placement: Placement,
    settings: Map<String, Value>,
    input: Map<String, Value>,
}

/// The base of an Experiment `test`, with `keys`, checked.
fn whole_input(keys: &Map<String, Value>) -> Result<Map<String, Value>, Vec<String>> {
    let wrong = |key: &str, why: &str| Err(vec![format!("input.{key}: {why}")]);
    if let Some(computed) = COMPUTED.iter().find(|key| keys.contains_key(**key)) {
        return wrong(computed, "follows from `experiment.name`; remove it");
    }
    let mut input = Map::from_iter([
        (
            "experiment".to_owned(),
            json!({"name": "test", "namespace": NAMESPACE, "labels": {}}),
        ),
        (
            "agent".to_owned(),
            json!({"name": "agent", "namespace": "agents", "url": "http://agent.agents.svc.cluster.local:8000"}),
        ),
        ("mode".to_owned(), json!("inline")),
    ]);
    let added: Vec<_> = keys
        .keys()
        .filter(|key| !input.contains_key(*key))
        .cloned()
        .collect();
    // What a host always sends to those who ask.
    input.insert("env".to_owned(), json!([]));
    input.insert("suspend".to_owned(), json!(false));
    let unknown: Vec<_> = unknown_inputs(&added)
        .into_iter()
        .map(|key| {
            let known: Vec<_> = input_keys().collect();
            format!(
                "input.{key}: there is no such key; beside the base, there are {}",
                known.join(", ")
            )
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    input.extend(keys.clone());
    let wanted = if input["mode"] == "dataset" {
        (
            "dataset",
            json!({"url": "https://example.org/dataset.json"}),
        )
    } else {
        (
            "scenarios",
            json!([{"name": "greeting", "steps": [{"input": "Hello"}]}]),
        )
    };
    input.entry(wanted.0).or_insert(wanted.1);
    let placement = placement(&input);
    let config_map = placement.object_name(&PluginIdentity::Bundled, EXPERIMENT_KEY);
    input.insert("workflowName".to_owned(), placement.workflow_name().into());
    input.insert("configMapName".to_owned(), json!(config_map));
    check_shape(&Value::Object(input.clone()))?;
    Ok(input)
}

fn check_shape(input: &Value) -> Result<(), Vec<String>> {
    let schema: Value = serde_json::from_str(INPUT_SCHEMA).map_err(defect)?;
    let validator = jsonschema::draft202012::new(&schema).map_err(defect)?;
    let violations = validator.iter_errors(input);
    let wrong: Vec<_> = violations
        .flat_map(|error| violation::of(&error, input, &schema))
        .map(|violation| at("input", violation))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The schema is part of this program.
fn defect(error: impl std::fmt::Display) -> Vec<String> {
    vec![format!("failed to read docs/input.schema.json: {error}")]
}

fn at(root: &str, Violation { path, message }: Violation) -> String {
    format!("{}: {message}", join(root, &path))
}

fn text(input: &Map<String, Value>, object: &str, key: &str) -> String {
    let value = input.get(object).and_then(|object| object.get(key));
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn placement(input: &Map<String, Value>) -> Placement {
    Placement {
        namespace: text(input, "experiment", "namespace"),
        name_prefix: text(input, "experiment", "name"),
        owner: None,
    }
}

/// The one object of another phase that every plugin may point at.
fn experiment_config_map() -> Contribution {
    Contribution {
        objects: vec![Manifest {
            key: EXPERIMENT_KEY.to_owned(),
            kind: Gvk {
                api_version: "v1".to_owned(),
                kind: "ConfigMap".to_owned(),
            },
            body: Map::new(),
        }],
        ..Contribution::default()
    }
}

/// As much of an Experiment as the rules for a piece look at.
fn validated(document: &Document) -> Validated {
    let input = &document.input;
    let otel = input.get("otel").and_then(|otel| {
        let reference = otel.get("configMapKeyRef")?;
        let text = |key: &str| Some(reference.get(key)?.as_str()?.to_owned());
        Some(OtelEndpoint::ConfigMapKeyRef {
            name: text("name")?,
            key: text("key")?,
        })
    });
    let env = input.get("env").and_then(Value::as_array);
    Validated {
        experiment: Experiment {
            name: document.placement.name_prefix.clone(),
            namespace: document.placement.namespace.clone(),
            uid: None,
            labels: BTreeMap::new(),
            spec: ExperimentSpec::default(),
            status: Default::default(),
        },
        data: Data::Inline(Vec::new()),
        scoring: Scoring::default(),
        agent: Endpoint {
            name: text(input, "agent", "name"),
            namespace: text(input, "agent", "namespace"),
            url: text(input, "agent", "url"),
        },
        ai_gateway: None,
        otel,
        env: env.cloned().unwrap_or_default(),
        schedule: None,
        trigger: None,
        phases: Vec::new(),
        suspend: false,
        findings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(keys: Value) -> Result<Map<String, Value>, Vec<String>> {
        whole_input(keys.as_object().unwrap())
    }

    #[test]
    fn what_is_left_out_of_an_input_is_that_of_an_experiment() {
        let whole = input(json!({
            "experiment": {"name": "weather", "namespace": "demo", "labels": {}},
            "suspend": true,
        }))
        .unwrap();
        assert_eq!(whole["workflowName"], "weather-workflow");
        assert_eq!(whole["configMapName"], "weather-experiment");
        assert_eq!(whole["mode"], "inline");
        assert_eq!(whole["suspend"], true);
        assert_eq!(whole["env"], json!([]));
        assert_eq!(whole["scenarios"][0]["name"], "greeting");
        assert!(!whole.contains_key("dataset"));
        let of_dataset = input(json!({"mode": "dataset"})).unwrap();
        assert!(of_dataset.contains_key("dataset") && !of_dataset.contains_key("scenarios"));
    }

    #[test]
    fn an_input_that_no_host_would_send_is_refused_with_its_path() {
        for (keys, message) in [
            (
                json!({"aigateway": {}}),
                "input.aigateway: there is no such key; beside the base, there are aiGateway, dataset",
            ),
            (
                json!({"workflowName": "x"}),
                "input.workflowName: follows from `experiment.name`; remove it",
            ),
            (
                json!({"suspend": "no"}),
                "input.suspend: expected boolean, found \"no\"",
            ),
            (
                json!({"experiment": {"name": "x", "namespace": "y"}}),
                "input.experiment.labels: is required; add it",
            ),
        ] {
            let errors = input(keys).unwrap_err().join("\n");
            assert!(errors.contains(message), "{errors}");
        }
    }
}

//! To test a phase natively, with `cargo test`: no WebAssembly, no cluster.

use serde_json::{Value, json};

use crate::{Failure, Phase, Request};

/// The base input of an Experiment `test` in namespace `team`, in inline mode.
pub fn base_input() -> Value {
    json!({
        "experiment": {"name": "test", "namespace": "team", "labels": {}},
        "agent": {"name": "agent", "namespace": "agents", "url": "http://agent.agents.svc.cluster.local:8000"},
        "mode": "inline",
        "workflowName": "test-workflow",
        "configMapName": "test-experiment",
    })
}

/// Calls a phase with `settings` and the base input, where the keys of `input` replace or join those of the base. The
/// answer is [`crate::Contribution::to_json`].
///
/// # Errors
/// The phase's own, and those of settings or input that do not have the shape of their types.
pub fn generate<P: Phase>(settings: Value, input: Value) -> Result<Value, Failure> {
    let document = match (base_input(), input) {
        (Value::Object(base), Value::Object(keys)) => base.into_iter().chain(keys).collect(),
        (_, other) => other,
    };
    let request = Request::from_json("team", &settings, &document)?;
    P::generate(&request).map(|contribution| contribution.to_json())
}

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

/// Calls a phase with `settings` and the base input, where the keys of `input` replace or join those of the base. As in the
/// cluster, a key that the phase's descriptor does not ask for is not sent. The answer is
/// [`crate::Contribution::to_json`].
///
/// # Errors
/// The phase's own, and those of settings or input that do not have the shape of their types.
pub fn generate<P: Phase>(settings: Value, input: Value) -> Result<Value, Failure> {
    let request = Request::from_json("team", &settings, &document(&P::descriptor().inputs, input))?;
    P::generate(&request).map(|contribution| contribution.to_json())
}

fn document(asked: &[String], input: Value) -> Value {
    match (base_input(), input) {
        (Value::Object(mut base), Value::Object(mut keys)) => {
            keys.retain(|key, _| base.contains_key(key) || asked.contains(key));
            base.extend(keys);
            Value::Object(base)
        }
        (_, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_sent() {
        let keys = json!({"mode": "dataset", "env": [], "otel": {"value": "x"}});
        let document = document(&["env".to_owned()], keys);
        assert_eq!(document["mode"], "dataset");
        assert_eq!(document["env"], json!([]));
        assert!(document.get("otel").is_none());
    }
}

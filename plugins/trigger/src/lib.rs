//! Bundled phase: trigger. Runs the workflow again when the agent's Deployment changes.

use serde_json::json;
use testbench_plugin_sdk::{
    ConcurrencyPolicy, Contribution, Descriptor, Failure, Gvk, NoSettings, Phase, Request,
    export_phase,
};

struct Trigger;

impl Phase for Trigger {
    type Settings = NoSettings;

    fn descriptor() -> Descriptor {
        Descriptor::new("trigger", env!("CARGO_PKG_VERSION"))
            .inputs(&["trigger", "suspend"])
            .creates(test_trigger())
    }

    fn generate(request: &Request<NoSettings>) -> Result<Contribution, Failure> {
        let input = &request.input;
        let Some(trigger) = &input.trigger else {
            return Ok(Contribution::new());
        };
        let concurrency_policy = match trigger.concurrency_policy {
            None | Some(ConcurrencyPolicy::Allow) => "allow",
            Some(ConcurrencyPolicy::Forbid) => "forbid",
            Some(ConcurrencyPolicy::Replace) => "replace",
        };
        // Older versions of Testkube require `resource`; `resourceRef` would shut them out.
        let spec = json!({
            "resource": "deployment",
            "resourceSelector": {"name": input.agent.name, "namespace": input.agent.namespace},
            "event": trigger.event.as_deref().unwrap_or("modified"),
            "action": "run",
            "execution": "testworkflow",
            "concurrencyPolicy": concurrency_policy,
            "testSelector": {"name": input.workflow_name, "namespace": request.namespace},
            "disabled": input.suspend,
        });
        Ok(Contribution::new().object("trigger", test_trigger(), json!({"spec": spec})))
    }
}

export_phase!(Trigger);

fn test_trigger() -> Gvk {
    Gvk::new("tests.testkube.io/v1", "TestTrigger")
}

#[cfg(test)]
mod tests {
    use super::*;
    use testbench_plugin_sdk::testing::generate;

    #[test]
    fn no_trigger_no_object() {
        let output = generate::<Trigger>(json!({}), json!({"suspend": false})).unwrap();
        assert_eq!(output, json!({}));
    }

    #[test]
    fn the_agents_deployment_starts_the_workflow() {
        for (trigger, suspend, event, policy) in [
            (json!({}), false, "modified", "allow"),
            (
                json!({"concurrencyPolicy": "Allow"}),
                true,
                "modified",
                "allow",
            ),
            (
                json!({"event": "deployment-image-update", "concurrencyPolicy": "Forbid"}),
                false,
                "deployment-image-update",
                "forbid",
            ),
            (
                json!({"concurrencyPolicy": "Replace"}),
                false,
                "modified",
                "replace",
            ),
        ] {
            let input = json!({"trigger": trigger, "suspend": suspend});
            let output = generate::<Trigger>(json!({}), input).unwrap();
            let spec = json!({
                "resource": "deployment",
                "resourceSelector": {"name": "agent", "namespace": "agents"},
                "event": event,
                "action": "run",
                "execution": "testworkflow",
                "concurrencyPolicy": policy,
                "testSelector": {"name": "test-workflow", "namespace": "team"},
                "disabled": suspend,
            });
            let object = json!({
                "key": "trigger",
                "apiVersion": "tests.testkube.io/v1",
                "kind": "TestTrigger",
                "body": {"spec": spec},
            });
            assert_eq!(output, json!({"objects": [object]}));
        }
    }
}

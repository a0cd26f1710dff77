//! Bundled phase: run. Puts the scenarios to the agent.

use testbench_plugin_sdk::template::{self, TemplateSettings};
use testbench_plugin_sdk::{Contribution, Descriptor, Failure, Phase, Request, export_phase};

struct Run;

impl Phase for Run {
    type Settings = TemplateSettings;

    fn descriptor() -> Descriptor {
        Descriptor::new("run", env!("CARGO_PKG_VERSION")).settings_schema(template::SETTINGS_SCHEMA)
    }

    fn generate(request: &Request<TemplateSettings>) -> Result<Contribution, Failure> {
        let input = &request.input;
        let config = [
            ("agentUrl", input.agent.url.as_str()),
            ("experimentName", input.experiment.name.as_str()),
        ];
        Ok(Contribution::new().step(request.settings.step("run-template", config)))
    }
}

export_phase!(Run);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testbench_plugin_sdk::testing::generate;

    #[test]
    fn the_agent_is_called_under_its_url() {
        for (settings, url, expected) in [
            (
                json!({}),
                "http://agent.agents.svc.cluster.local:8000/a2a",
                json!({"template": {"name": "run-template", "config": {
                    "agentUrl": "http://agent.agents.svc.cluster.local:8000/a2a",
                    "experimentName": "test",
                }}}),
            ),
            (
                json!({"template": "mine", "config": {"experimentName": "other", "retries": 3}, "timeout": "1h"}),
                "http://agent/{{x}}",
                json!({"timeout": "1h", "template": {"name": "mine", "config": {
                    "agentUrl": r#"http://agent/{{"{{"}}x}}"#,
                    "experimentName": "other",
                    "retries": 3,
                }}}),
            ),
        ] {
            let agent = json!({"name": "agent", "namespace": "agents", "url": url});
            let output = generate::<Run>(settings, json!({"agent": agent})).unwrap();
            assert_eq!(output, json!({"workflow": {"steps": [expected]}}));
        }
    }
}

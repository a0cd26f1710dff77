//! Bundled phase: publish. Sends the scores to the telemetry endpoint.

use testbench_plugin_sdk::template::{self, TemplateSettings};
use testbench_plugin_sdk::{Contribution, Descriptor, Failure, Phase, Request, export_phase};

struct Publish;

impl Phase for Publish {
    type Settings = TemplateSettings;

    fn descriptor() -> Descriptor {
        Descriptor::new("publish", env!("CARGO_PKG_VERSION"))
            .settings_schema(template::SETTINGS_SCHEMA)
    }

    fn generate(request: &Request<TemplateSettings>) -> Result<Contribution, Failure> {
        let config = [("experimentName", request.input.experiment.name.as_str())];
        Ok(Contribution::new().step(request.settings.step("publish-template", config)))
    }
}

export_phase!(Publish);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testbench_plugin_sdk::testing::generate;

    #[test]
    fn the_scores_are_sent_under_the_experiments_name() {
        let config = json!({"experimentName": "test"});
        let step = json!({"template": {"name": "publish-template", "config": config}});
        let output = generate::<Publish>(json!({}), json!({})).unwrap();
        assert_eq!(output, json!({"workflow": {"steps": [step]}}));
    }
}

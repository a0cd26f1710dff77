//! Bundled phase: visualize. Writes the report that people read.

use testbench_plugin_sdk::template::{self, TemplateSettings};
use testbench_plugin_sdk::{Contribution, Descriptor, Failure, Phase, Request, export_phase};

struct Visualize;

impl Phase for Visualize {
    type Settings = TemplateSettings;

    fn descriptor() -> Descriptor {
        Descriptor::new("visualize", env!("CARGO_PKG_VERSION"))
            .settings_schema(template::SETTINGS_SCHEMA)
    }

    fn generate(request: &Request<TemplateSettings>) -> Result<Contribution, Failure> {
        let config = [("experimentName", request.input.experiment.name.as_str())];
        Ok(Contribution::new().step(request.settings.step("visualize-template", config)))
    }
}

export_phase!(Visualize);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testbench_plugin_sdk::testing::generate;

    #[test]
    fn the_report_is_written_under_the_experiments_name() {
        let config = json!({"experimentName": "test"});
        let step = json!({"template": {"name": "visualize-template", "config": config}});
        let output = generate::<Visualize>(json!({}), json!({})).unwrap();
        assert_eq!(output, json!({"workflow": {"steps": [step]}}));
    }
}

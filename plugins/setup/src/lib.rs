//! Bundled phase: setup. Fetches the dataset when the workflow runs; scenarios of the Experiment itself need no setup.

use testbench_plugin_sdk::template::{self, TemplateSettings};
use testbench_plugin_sdk::{
    Contribution, Dataset, Descriptor, Failure, Phase, Request, export_phase,
};

struct Setup;

impl Phase for Setup {
    type Settings = TemplateSettings;

    fn descriptor() -> Descriptor {
        Descriptor::new("setup", env!("CARGO_PKG_VERSION"))
            .settings_schema(template::SETTINGS_SCHEMA)
            .inputs(&["dataset"])
    }

    fn generate(request: &Request<TemplateSettings>) -> Result<Contribution, Failure> {
        let config = match &request.input.dataset {
            None => return Ok(Contribution::new()),
            Some(Dataset::Url(url)) => vec![("datasetUrl", url.as_str())],
            Some(Dataset::S3 { bucket, key }) => {
                vec![("bucket", bucket.as_str()), ("key", key.as_str())]
            }
        };
        Ok(Contribution::new().step(request.settings.step("setup-template", config)))
    }
}

export_phase!(Setup);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testbench_plugin_sdk::testing::generate;

    #[test]
    fn scenarios_of_the_experiment_need_no_setup() {
        assert_eq!(generate::<Setup>(json!({}), json!({})).unwrap(), json!({}));
    }

    #[test]
    fn a_dataset_is_fetched_from_where_it_lies() {
        for (dataset, config) in [
            (
                json!({"url": "https://example.com/a.json?x={{y}}"}),
                json!({"datasetUrl": r#"https://example.com/a.json?x={{"{{"}}y}}"#}),
            ),
            (
                json!({"s3": {"bucket": "data", "key": "sets/{{ a }}.json"}}),
                json!({"bucket": "data", "key": r#"sets/{{"{{"}} a }}.json"#}),
            ),
        ] {
            let input = json!({"mode": "dataset", "dataset": dataset});
            let step = json!({"template": {"name": "setup-template", "config": config}});
            let output = generate::<Setup>(json!({}), input).unwrap();
            assert_eq!(output, json!({"workflow": {"steps": [step]}}));
        }
    }
}

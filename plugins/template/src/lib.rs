//! Bundled component for phases from YAML alone: a PhasePlugin with `source: {bundled: template}` says in its settings what its step
//! runs, a TestWorkflowTemplate or an image.
//!
//! Texts reach the step as they are, but for `$(agent.url)` and the like; nothing in them is evaluated by Testkube.

mod reference;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use testbench_plugin_sdk::template::ConfigValue;
use testbench_plugin_sdk::{
    Contribution, Descriptor, Failure, Input, Phase, Request, Step, export_phase,
};

use crate::reference::resolved;

struct Template;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    template: Option<String>,
    #[serde(default)]
    config: BTreeMap<String, ConfigValue>,
    image: Option<String>,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    shell: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    working_dir: Option<String>,
    condition: Option<String>,
    optional: Option<bool>,
    timeout: Option<String>,
}

impl Phase for Template {
    type Settings = Settings;

    fn descriptor() -> Descriptor {
        Descriptor::new("template", env!("CARGO_PKG_VERSION"))
            .settings_schema(include_str!("settings.schema.json"))
            .inputs(&["aiGateway"])
    }

    fn generate(request: &Request<Settings>) -> Result<Contribution, Failure> {
        let (settings, input) = (&request.settings, &request.input);
        let mut step = match (&settings.template, &settings.image) {
            (Some(template), _) => from_template(template, settings, input)?,
            (None, Some(image)) => from_image(image, settings, input)?,
            (None, None) => {
                return Err(Failure::rejected(
                    "NothingToRun",
                    "expected template or image in the settings, found neither",
                ));
            }
        };
        if let Some(condition) = &settings.condition {
            step = step.field("condition", condition.as_str().into());
        }
        if let Some(optional) = settings.optional {
            step = step.field("optional", optional.into());
        }
        if let Some(timeout) = &settings.timeout {
            step = step.timeout(timeout);
        }
        Ok(Contribution::new().step(step))
    }
}

fn from_template(template: &str, settings: &Settings, input: &Input) -> Result<Step, Failure> {
    let mut step = Step::template(template);
    for (parameter, value) in &settings.config {
        step = match value {
            ConfigValue::Integer(number) => step.config(parameter, *number),
            ConfigValue::Text(text) => step.config(parameter, resolved(text, input)?),
        };
    }
    Ok(step)
}

fn from_image(image: &str, settings: &Settings, input: &Input) -> Result<Step, Failure> {
    let mut run = Map::new();
    run.insert("image".to_owned(), resolved(image, input)?.into());
    for (key, list) in [("command", &settings.command), ("args", &settings.args)] {
        if let Some(list) = list {
            let texts: Result<Vec<_>, _> = list.iter().map(|text| resolved(text, input)).collect();
            run.insert(key.to_owned(), json!(texts?));
        }
    }
    for (key, text) in [
        ("shell", &settings.shell),
        ("workingDir", &settings.working_dir),
    ] {
        if let Some(text) = text {
            run.insert(key.to_owned(), resolved(text, input)?.into());
        }
    }
    let mut env = Vec::new();
    for (name, text) in &settings.env {
        env.push(json!({"name": name, "value": resolved(text, input)?}));
    }
    if !env.is_empty() {
        run.insert("env".to_owned(), env.into());
    }
    Ok(Step::empty().field("run", Value::Object(run)))
}

export_phase!(Template);

#[cfg(test)]
mod tests {
    use testbench_plugin_sdk::testing::generate;

    use super::*;

    #[test]
    fn the_settings_say_what_the_step_runs() {
        for (settings, step) in [
            (
                json!({"template": "red-team", "config": {"url": "$(agent.url)/x", "n": 3, "own": "$$(n) {{ x }}"}}),
                json!({"template": {"name": "red-team", "config": {
                    "url": "http://agent.agents.svc.cluster.local:8000/x",
                    "n": 3,
                    "own": r#"$(n) {{"{{"}} x }}"#,
                }}}),
            ),
            (
                json!({
                    "image": "busybox:1.37", "shell": r#"echo "$EXPERIMENT""#,
                    "env": {"EXPERIMENT": "$(experiment.namespace)/$(experiment.name)"},
                    "condition": "always", "optional": true, "timeout": "5m",
                }),
                json!({
                    "run": {
                        "image": "busybox:1.37", "shell": r#"echo "$EXPERIMENT""#,
                        "env": [{"name": "EXPERIMENT", "value": "team/test"}],
                    },
                    "condition": "always", "optional": true, "timeout": "5m",
                }),
            ),
            (
                json!({"image": "x", "command": ["a"], "args": ["$(", "$(workflowName)"], "workingDir": "/data"}),
                json!({"run": {"image": "x", "command": ["a"], "args": ["$(", "test-workflow"], "workingDir": "/data"}}),
            ),
        ] {
            let output = generate::<Template>(settings, json!({})).unwrap();
            assert_eq!(output, json!({"workflow": {"steps": [step]}}));
        }
    }

    #[test]
    fn what_there_is_not_is_named() {
        for (text, code) in [
            ("$(agent)", "UnknownReference"),
            ("$(aiGateway.url)", "NoAiGateway"),
        ] {
            let failure = generate::<Template>(json!({"image": text}), json!({})).unwrap_err();
            assert_eq!(failure.diagnostics[0].code, code);
        }
        let gateway = json!({"aiGateway": {"name": "g", "namespace": "n", "url": "http://g"}});
        let output = generate::<Template>(json!({"image": "$(aiGateway.url)"}), gateway).unwrap();
        assert_eq!(output["workflow"]["steps"][0]["run"]["image"], "http://g");
    }
}

//! Phases that run one TestWorkflowTemplate, with the settings that all of them share.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{Step, literal};

/// Schema of [`TemplateSettings`]. Config values are Testkube's int-or-string, so integers have 32 bits.
pub const SETTINGS_SCHEMA: &str = include_str!("template.schema.json");

/// Which template a phase runs, and what it is given.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct TemplateSettings {
    /// Name of another TestWorkflowTemplate than the phase's own.
    pub template: Option<String>,
    /// Further parameters; they win over those that the phase computes.
    #[serde(default)]
    pub config: BTreeMap<String, ConfigValue>,
    /// Bounds the time of the step: `30s`, `10m`, `1h30m`.
    pub timeout: Option<String>,
}

/// A template's parameter.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum ConfigValue {
    /// A number.
    Integer(i32),
    /// Text, as typed.
    Text(String),
}

impl TemplateSettings {
    /// The step that runs `template`, or the one named in the settings, with the computed parameters and the user's.
    /// Every text arrives as typed.
    pub fn step<'a>(
        &self,
        template: &str,
        computed: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Step {
        let mut step = Step::template(self.template.as_deref().unwrap_or(template));
        for (parameter, text) in computed {
            step = step.config(parameter, literal(text));
        }
        for (parameter, value) in &self.config {
            step = step.config(parameter, value);
        }
        match &self.timeout {
            Some(duration) => step.timeout(duration),
            None => step,
        }
    }
}

impl From<&ConfigValue> for Value {
    fn from(value: &ConfigValue) -> Self {
        match value {
            ConfigValue::Integer(number) => (*number).into(),
            ConfigValue::Text(text) => literal(text).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Contribution;
    use serde_json::json;

    #[test]
    fn the_schema_is_json() {
        assert!(serde_json::from_str::<Value>(SETTINGS_SCHEMA).is_ok());
    }

    #[test]
    fn settings_win_and_text_arrives_as_typed() {
        for (settings, expected) in [
            (
                json!({}),
                json!({"template": {"name": "own", "config": {"a": "1", "b": r#"{{"{{"}} x }}"#}}}),
            ),
            (
                json!({"template": "other", "config": {"a": 7, "c": "{{ y }}"}, "timeout": "5m"}),
                json!({
                    "template": {
                        "name": "other",
                        "config": {"a": 7, "b": r#"{{"{{"}} x }}"#, "c": r#"{{"{{"}} y }}"#},
                    },
                    "timeout": "5m",
                }),
            ),
        ] {
            let settings: TemplateSettings = serde_json::from_value(settings).unwrap();
            let step = settings.step("own", [("a", "1"), ("b", "{{ x }}")]);
            let contribution = Contribution::new().step(step).to_json();
            assert_eq!(contribution, json!({"workflow": {"steps": [expected]}}));
        }
    }
}

//! What a TestWorkflowTemplate takes, and what it sets itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The few fields of a TestWorkflowTemplate (`testworkflows.testkube.io/v1`) that matter here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Template {
    /// `spec`.
    #[serde(default)]
    pub spec: TemplateSpec,
}

/// `TestWorkflowTemplate.spec`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct TemplateSpec {
    /// Parameters by name.
    #[serde(default)]
    pub config: BTreeMap<String, TemplateParameter>,
    /// What every step runs in.
    #[serde(default)]
    pub container: TemplateContainer,
    /// Steps before all others.
    #[serde(default)]
    pub setup: Vec<TemplateStep>,
    /// Steps.
    #[serde(default)]
    pub steps: Vec<TemplateStep>,
    /// Steps after all others.
    #[serde(default)]
    pub after: Vec<TemplateStep>,
}

/// One parameter of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TemplateParameter {
    /// Its value where a workflow gives none. Without it, the parameter is required.
    pub default: Option<Value>,
}

/// One step of a template.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct TemplateStep {
    /// What the step and those below it run in.
    #[serde(default)]
    pub container: TemplateContainer,
    /// What it runs.
    #[serde(default)]
    pub run: TemplateContainer,
    /// Steps before those below.
    #[serde(default)]
    pub setup: Vec<TemplateStep>,
    /// Steps below this one.
    #[serde(default)]
    pub steps: Vec<TemplateStep>,
}

/// The environment of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TemplateContainer {
    /// Its variables.
    #[serde(default)]
    pub env: Vec<TemplateVariable>,
}

/// A variable that a template sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TemplateVariable {
    /// Its name.
    pub name: String,
}

impl Template {
    /// Whether any part of the template sets the variable `name` itself, and with that hides the workflow's.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        let TemplateSpec {
            config: _,
            container,
            setup,
            steps,
            after,
        } = &self.spec;
        container.sets(name) || any_sets(&[setup, steps, after], name)
    }
}

impl TemplateContainer {
    fn sets(&self, name: &str) -> bool {
        self.env.iter().any(|variable| variable.name == name)
    }
}

fn any_sets(lists: &[&Vec<TemplateStep>], name: &str) -> bool {
    let mut steps = lists.iter().copied().flatten();
    steps.any(|step| {
        step.container.sets(name)
            || step.run.sets(name)
            || any_sets(&[&step.setup, &step.steps], name)
    })
}

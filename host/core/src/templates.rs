//! Last look: whether the templates that the workflow names can run. Testkube itself would only say that there is nothing to run, or
//! run and lose a variable. Nothing that is found here stops generation.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::compose::DesiredObject;
use crate::resolve::{Lookup, ObjectRef, References, Template};

/// Why a template that the workflow names will not do what the Experiment wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// It is not there.
    #[error(
        "{used_by} runs TestWorkflowTemplate {template}, which does not exist, so the workflow would have nothing to run; \
         create it, or name another in the settings of the phase"
    )]
    NotFound {
        /// The step that names it.
        used_by: String,
        /// Which one.
        template: ObjectRef,
    },
    /// It has a parameter without default, and the workflow gives no value.
    #[error(
        "{used_by} gives TestWorkflowTemplate {template} no value for its parameter `{parameter}`, which has no default, so the \
         workflow would have nothing to run; set it in the settings of the phase (`config`), or give it a default"
    )]
    ConfigMissing {
        /// The step that names it.
        used_by: String,
        /// Which one.
        template: ObjectRef,
        /// Its parameter.
        parameter: String,
    },
    /// It sets a variable that the Experiment takes from elsewhere: what a template sets wins, and the Experiment's is lost.
    #[error(
        "TestWorkflowTemplate {template}, which {used_by} runs, sets `{variable}` itself and with that hides the one that spec.env \
         takes by `valueFrom`; use a template that falls back to its environment, or give `{variable}` a literal `value`"
    )]
    HidesVariable {
        /// The step that names it.
        used_by: String,
        /// Which one.
        template: ObjectRef,
        /// The variable.
        variable: String,
    },
}

impl TemplateProblem {
    /// A constant word for the kind of problem.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "TemplateNotFound",
            Self::ConfigMissing { .. } => "TemplateConfigMissing",
            Self::HidesVariable { .. } => "TemplateHidesVariable",
        }
    }

    /// Whether Testkube would refuse to run the workflow; otherwise it runs, if not as it is meant to.
    #[must_use]
    pub fn keeps_from_running(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::ConfigMissing { .. } => true,
            Self::HidesVariable { .. } => false,
        }
    }
}

/// The templates that the workflows among `objects` name.
#[must_use]
pub fn named(objects: &[DesiredObject]) -> BTreeSet<ObjectRef> {
    let workflows = objects
        .iter()
        .filter(|object| object.kind() == "TestWorkflow");
    workflows
        .flat_map(|workflow| {
            let namespace = workflow.namespace();
            uses(&workflow.manifest["spec"])
                .into_iter()
                .map(move |usage| ObjectRef {
                    namespace: namespace.to_owned(),
                    name: usage.template.to_owned(),
                })
        })
        .collect()
}

/// Everything that the templates of `workflow`, the `spec` of a TestWorkflow in `namespace`, lack. `env` is the Experiment's.
#[must_use]
pub fn check(
    workflow: &Value,
    namespace: &str,
    env: &[Value],
    from: &dyn References,
) -> Vec<TemplateProblem> {
    let problems = uses(workflow).into_iter().flat_map(|usage| {
        let template = ObjectRef {
            namespace: namespace.to_owned(),
            name: usage.template.to_owned(),
        };
        match from.template(&template) {
            Lookup::Found(found) => check_one(&usage, &template, &found, env),
            Lookup::Absent => vec![TemplateProblem::NotFound {
                used_by: usage.used_by,
                template,
            }],
            Lookup::KindMissing => Vec::new(),
        }
    });
    problems.collect()
}

fn check_one(
    usage: &Usage<'_>,
    reference: &ObjectRef,
    template: &Template,
    env: &[Value],
) -> Vec<TemplateProblem> {
    let given = |name: &str| usage.config.is_some_and(|config| config.contains_key(name));
    let required = template
        .spec
        .config
        .iter()
        .filter(|(_, parameter)| parameter.default.is_none());
    let missing =
        required
            .filter(|(name, _)| !given(name))
            .map(|(name, _)| TemplateProblem::ConfigMissing {
                used_by: usage.used_by.clone(),
                template: reference.clone(),
                parameter: name.clone(),
            });
    let by_reference = env
        .iter()
        .filter(|variable| variable.get("valueFrom").is_some())
        .filter_map(|variable| variable["name"].as_str());
    let hidden = by_reference.filter(|name| template.sets(name)).map(|name| {
        TemplateProblem::HidesVariable {
            used_by: usage.used_by.clone(),
            template: reference.clone(),
            variable: name.to_owned(),
        }
    });
    missing.chain(hidden).collect()
}

/// One place of the workflow that names a template.
struct Usage<'a> {
    used_by: String,
    template: &'a str,
    config: Option<&'a Map<String, Value>>,
}

fn uses(workflow: &Value) -> Vec<Usage<'_>> {
    let whole = entries(workflow, "use")
        .filter_map(|reference| usage("the whole workflow".to_owned(), reference));
    let mut uses: Vec<_> = whole.collect();
    collect_uses(workflow, None, &mut uses);
    uses
}

/// Below a phase's own step there may be more; all of them go by the phase's name, which is what a user can change.
fn collect_uses<'a>(parent: &'a Value, phase: Option<&str>, uses: &mut Vec<Usage<'a>>) {
    for step in entries(parent, "steps") {
        let phase = phase.or_else(|| step["name"].as_str()).unwrap_or_default();
        let used_by = format!("step `{phase}`");
        uses.extend(
            step.get("template")
                .and_then(|reference| usage(used_by, reference)),
        );
        collect_uses(step, Some(phase), uses);
    }
}

fn usage(used_by: String, reference: &Value) -> Option<Usage<'_>> {
    Some(Usage {
        used_by,
        template: reference["name"].as_str()?,
        config: reference.get("config").and_then(Value::as_object),
    })
}

fn entries<'a>(parent: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    parent
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

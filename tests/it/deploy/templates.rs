//! The five TestWorkflowTemplates: accepted by Testkube's schema, and safe for whatever a user passes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testbench_tests::folder;

use super::all;
use crate::neighbours::{real_schemas, schemas};

pub(super) const NAMES: [&str; 5] = [
    "evaluate-template",
    "publish-template",
    "run-template",
    "setup-template",
    "visualize-template",
];

#[test]
fn the_templates_fit_our_excerpt_of_the_schema() {
    check(&folder("fixtures/crds"));
}

#[test]
fn the_templates_fit_the_real_schema() {
    if let Some(crds) = real_schemas() {
        check(&crds);
    }
}

fn check(crds: &Path) {
    let schema = &schemas(crds)["TestWorkflowTemplate"];
    let mut names = Vec::new();
    for template in all("templates") {
        names.push(template["metadata"]["name"].as_str().unwrap().to_owned());
        // Where Testkube lives is the user's choice: `kubectl apply -n`.
        assert!(template["metadata"].get("namespace").is_none());
        let admitted = schema.admit(template);
        admitted.unwrap_or_else(|refusals| panic!("{names:?}: {refusals:#?}"));
    }
    assert_eq!(names, NAMES);
}

#[test]
fn the_excerpt_is_strict() {
    let schema = &schemas(&folder("fixtures/crds"))["TestWorkflowTemplate"];
    let mut template = super::template("run-template");
    template["spec"]["steps"][0]["run"]["arg"] = json!([]);
    let refusals = schema.admit(template).unwrap_err();
    assert_eq!(refusals[0].path, "spec.steps[0].run.arg");
}

/// A parameter is a whole argument or a whole variable, so nothing that a user types becomes part of a script.
#[test]
fn what_a_user_passes_is_never_part_of_a_script() {
    for template in all("templates") {
        let mut used = Vec::new();
        walk(&template, &mut PathBuf::new(), &mut |path, text| {
            let place = format!("{} {}", template["metadata"]["name"], path.display());
            if let Some(parameter) = condition(path, text) {
                used.push(parameter.to_owned());
            } else if text.contains("{{") {
                let expression = text
                    .strip_prefix("{{ ")
                    .and_then(|text| text.strip_suffix(" }}"));
                let expression = expression.unwrap_or_else(|| panic!("{place}: {text}"));
                let parent = path.parent().unwrap();
                assert!(
                    parent.ends_with("args") || (path.ends_with("value") && is_variable(parent)),
                    "{place}: {text}"
                );
                match expression.split_once('.').unwrap() {
                    ("config", parameter) => used.push(parameter.to_owned()),
                    ("execution", "id" | "number") => {}
                    _ => panic!("{place}: {text}"),
                }
            }
        });
        used.sort();
        used.dedup();
        let declared: Vec<_> = template["spec"]["config"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(used, declared, "{}", template["metadata"]["name"]);
    }
}

fn is_variable(path: &Path) -> bool {
    path.parent().is_some_and(|list| list.ends_with("env"))
}

/// The parameter that a condition asks for.
fn condition<'a>(path: &Path, text: &'a str) -> Option<&'a str> {
    let asked = path.ends_with("condition").then_some(text)?;
    let parameter = asked
        .strip_prefix("config.")
        .and_then(|text| text.strip_suffix(r#" != """#));
    Some(parameter.unwrap_or_else(|| panic!("{asked}")))
}

fn walk(value: &Value, path: &mut PathBuf, visit: &mut dyn FnMut(&Path, &str)) {
    match value {
        Value::String(text) => visit(path, text),
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                path.push(index.to_string());
                walk(entry, path, visit);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                path.push(key);
                walk(field, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

//! How the workflow parts of all phases become one `spec`.
//!
//! Objects merge; a scalar that two phases give must be the same; a list follows the rule in [`LIST_RULES`]. Nothing is ever
//! overwritten: two phases that disagree are an error that names both, so the order of phases decides only where order is the
//! meaning (steps, events, env, files).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// How the lists at one path combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListRule {
    /// Entries with the same value of this key must be equal, and count once.
    By(&'static str),
    /// All entries, in the order of phases.
    Append,
    /// One phase writes the list, whole.
    Atomic,
}

/// Every path whose list is not [`ListRule::Atomic`]. `steps` is not here: it is [`chain`]ed, one entry a phase.
pub(super) const LIST_RULES: &[(&str, ListRule)] = &[
    ("container.env", ListRule::By("name")),
    ("content.files", ListRule::By("path")),
    ("events", ListRule::Append),
];

/// The workflow part of one phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) phase: &'a str,
    pub(super) workflow: &'a Map<String, Value>,
}

/// Why parts do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Two phases disagree.
    #[error(
        "phases `{first}` and `{second}` both set `{path}`, {}; change the settings of one, or disable it",
        if *is_list { "a list that can have one writer only" } else { "to different values" }
    )]
    Conflict {
        /// The phase that comes first in the chain.
        first: String,
        /// The phase that comes later.
        second: String,
        /// Where in the workflow's `spec`.
        path: String,
        /// Whether it is a list that cannot be put together from two.
        is_list: bool,
    },
    /// A `null` would delete a field on apply.
    #[error("phase `{phase}` sets `{path}` to null; leave the key out instead")]
    Null {
        /// The phase that says so.
        phase: String,
        /// Where in the workflow's `spec`.
        path: String,
    },
    /// An entry of a keyed list has no key, or the list holds something else than objects.
    #[error(
        "phase `{phase}`: an entry of `{path}` lacks the text `{key}` that tells entries apart"
    )]
    NoKey {
        /// The phase that says so.
        phase: String,
        /// The list.
        path: String,
        /// The missing key.
        key: &'static str,
    },
    /// `steps` is no list.
    #[error("phase `{phase}`: expected a list of objects under `steps`, found {found} at `{path}`")]
    Steps {
        /// The phase that says so.
        phase: String,
        /// Where.
        path: String,
        /// What is there instead.
        found: &'static str,
    },
}

impl MergeError {
    /// The phases that it speaks of.
    #[must_use]
    pub fn phases(&self) -> Vec<&str> {
        match self {
            Self::Conflict { first, second, .. } => vec![first, second],
            Self::Null { phase, .. } | Self::NoKey { phase, .. } | Self::Steps { phase, .. } => {
                vec![phase]
            }
        }
    }
}

/// What each phase that says something says at one place, in the order of the chain.
type Said<'a, T> = Vec<(&'a str, &'a T)>;

/// The `spec` of the workflow: `parts` in the order of the chain, merged.
pub(super) fn merge(parts: &[Part<'_>]) -> Result<Map<String, Value>, Vec<MergeError>> {
    let nulls: Vec<_> = parts.iter().flat_map(nulls).collect();
    if !nulls.is_empty() {
        return Err(nulls);
    }
    let mut errors = Vec::new();
    let said = parts
        .iter()
        .map(|part| (part.phase, part.workflow))
        .collect();
    let mut spec = objects(&[], said, &mut errors);
    let steps = chain(parts, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    if !steps.is_empty() {
        spec.insert("steps".into(), Value::Array(steps));
    }
    Ok(spec)
}

/// The first `null` under each of the part's keys.
fn nulls<'a>(part: &'a Part<'_>) -> impl Iterator<Item = MergeError> + use<'a> {
    let null = |(key, value): (&String, &Value)| find_null(value, key.clone());
    part.workflow
        .iter()
        .filter_map(null)
        .map(|path| MergeError::Null {
            phase: part.phase.to_owned(),
            path,
        })
}

fn objects<'a>(
    at: &[&'a str],
    said: Said<'a, Map<String, Value>>,
    errors: &mut Vec<MergeError>,
) -> Map<String, Value> {
    let mut by_key = BTreeMap::<&str, Said<'_, Value>>::new();
    for (phase, fields) in said {
        for (key, value) in fields {
            by_key.entry(key).or_default().push((phase, value));
        }
    }
    if at.is_empty() {
        by_key.remove("steps");
    }
    let field = |(key, said): (&'a str, _)| {
        let at = [at, &[key]].concat();
        (key.to_owned(), values(&at, &said, errors))
    };
    by_key.into_iter().map(field).collect()
}

/// All phases are heard before anything is decided, so that which errors there are does not depend on who speaks first.
fn values<'a>(at: &[&'a str], said: &Said<'a, Value>, errors: &mut Vec<MergeError>) -> Value {
    if let Some(fields) = all(said, Value::as_object) {
        return Value::Object(objects(at, fields, errors));
    }
    match (rule_of(at), all(said, Value::as_array)) {
        (ListRule::By(key), Some(lists)) => keyed(at, key, lists, errors),
        (ListRule::Append, Some(lists)) => lists
            .into_iter()
            .flat_map(|(_, entries)| entries)
            .cloned()
            .collect(),
        _ => same(at, said, errors),
    }
}

/// `said`, where all phases say the same kind of thing.
fn all<'a, T>(said: &Said<'a, Value>, read: fn(&'a Value) -> Option<&'a T>) -> Option<Said<'a, T>> {
    said.iter()
        .map(|(phase, value)| Some((*phase, read(value)?)))
        .collect()
}

/// A scalar on which all phases agree, or a list that one phase writes.
fn same(at: &[&str], said: &Said<'_, Value>, errors: &mut Vec<MergeError>) -> Value {
    let Some(((first, value), others)) = said.split_first() else {
        return Value::Null;
    };
    let path = at.join(".");
    let disagreement = |(second, other): &(&str, &Value)| {
        let is_list = value.is_array() && other.is_array();
        (is_list || other != value).then(|| conflict(first, second, path.clone(), is_list))
    };
    errors.extend(others.iter().filter_map(disagreement));
    (*value).clone()
}

fn keyed(
    at: &[&str],
    key: &'static str,
    lists: Said<'_, Vec<Value>>,
    errors: &mut Vec<MergeError>,
) -> Value {
    let mut known = BTreeMap::new();
    let mut merged = Vec::new();
    let entries = lists
        .into_iter()
        .flat_map(|(phase, entries)| entries.iter().map(move |entry| (phase, entry)));
    for (phase, entry) in entries {
        let Some(id) = entry.get(key).and_then(Value::as_str) else {
            errors.push(MergeError::NoKey {
                phase: phase.to_owned(),
                path: at.join("."),
                key,
            });
            continue;
        };
        match known.get(id) {
            None => {
                known.insert(id, (phase, entry));
                merged.push(entry.clone());
            }
            Some((_, equal)) if *equal == entry => {}
            Some((first, _)) => {
                let path = format!("{}[{key}={id}]", at.join("."));
                errors.push(conflict(first, phase, path, false));
            }
        }
    }
    Value::Array(merged)
}

/// One entry of `spec.steps` a phase, named after it. A single unnamed step is that entry; anything else becomes its children.
fn chain(parts: &[Part<'_>], errors: &mut Vec<MergeError>) -> Vec<Value> {
    let mut chain = Vec::new();
    for part in parts {
        match part
            .workflow
            .get("steps")
            .map(|steps| check_steps(part.phase, steps))
        {
            None => {}
            Some(Ok(steps)) => chain.extend(entry(part.phase, steps)),
            Some(Err(error)) => errors.push(error),
        }
    }
    chain
}

fn check_steps<'a>(phase: &str, steps: &'a Value) -> Result<&'a [Value], MergeError> {
    let wrong = |path, found| MergeError::Steps {
        phase: phase.to_owned(),
        path,
        found: kind_of(found),
    };
    let entries = steps
        .as_array()
        .ok_or_else(|| wrong("steps".to_owned(), steps))?;
    match entries.iter().position(|entry| !entry.is_object()) {
        Some(i) => Err(wrong(format!("steps[{i}]"), &entries[i])),
        None => Ok(entries),
    }
}

fn entry(phase: &str, steps: &[Value]) -> Option<Value> {
    let mut entry = match steps {
        [] => return None,
        [Value::Object(step)] if !step.contains_key("name") => step.clone(),
        several => Map::from_iter([("steps".to_owned(), Value::Array(several.to_vec()))]),
    };
    entry.insert("name".into(), phase.into());
    Some(Value::Object(entry))
}

fn rule_of(at: &[&str]) -> ListRule {
    LIST_RULES
        .iter()
        .find(|(path, _)| path.split('.').eq(at.iter().copied()))
        .map_or(ListRule::Atomic, |(_, rule)| *rule)
}

fn conflict(first: &str, second: &str, path: String, is_list: bool) -> MergeError {
    MergeError::Conflict {
        first: first.to_owned(),
        second: second.to_owned(),
        path,
        is_list,
    }
}

/// The path of the first `null` inside `value`.
pub(super) fn find_null(value: &Value, path: String) -> Option<String> {
    match value {
        Value::Null => Some(path),
        Value::Array(entries) => entries
            .iter()
            .enumerate()
            .find_map(|(i, entry)| find_null(entry, format!("{path}[{i}]"))),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(key, field)| find_null(field, format!("{path}.{key}"))),
        _ => None,
    }
}

/// The JSON type of `value`, as an error says it.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(parts: &[(&str, Value)]) -> Result<Value, Vec<String>> {
        let parts: Vec<_> = parts
            .iter()
            .map(|(phase, workflow)| Part {
                phase,
                workflow: workflow.as_object().unwrap(),
            })
            .collect();
        merge(&parts)
            .map(Value::Object)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    /// (what it shows, the parts in the order of the chain, the merged spec)
    #[test]
    fn parts_that_fit_merge() {
        let run = json!({"template": {"name": "run-template"}});
        let table = [
            (
                "objects",
                json!({"container": {"image": "x"}}),
                json!({"container": {"workingDir": "/"}}),
                json!({"container": {"image": "x", "workingDir": "/"}}),
            ),
            (
                "equal scalars",
                json!({"concurrency": {"max": 1}}),
                json!({"concurrency": {"max": 1}}),
                json!({"concurrency": {"max": 1}}),
            ),
            (
                "env by name",
                json!({"container": {"env": [{"name": "A", "value": "1"}]}}),
                json!({"container": {"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}}),
                json!({"container": {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}}),
            ),
            (
                "files by path",
                json!({"content": {"files": [{"path": "/a", "content": "1"}]}}),
                json!({"content": {"files": [{"path": "/a", "content": "1"}]}}),
                json!({"content": {"files": [{"path": "/a", "content": "1"}]}}),
            ),
            (
                "events append",
                json!({"events": [{"cronjob": {"cron": "@daily"}}]}),
                json!({"events": [{"cronjob": {"cron": "@daily"}}]}),
                json!({"events": [{"cronjob": {"cron": "@daily"}}, {"cronjob": {"cron": "@daily"}}]}),
            ),
            (
                "a step is named after its phase",
                json!({"steps": [run]}),
                json!({}),
                json!({"steps": [{"name": "one", "template": {"name": "run-template"}}]}),
            ),
            (
                "several steps become children",
                json!({"steps": [run, {"shell": "ls"}]}),
                json!({"steps": []}),
                json!({"steps": [{"name": "one", "steps": [run, {"shell": "ls"}]}]}),
            ),
            (
                "a named step keeps its name",
                json!({"steps": [{"name": "mine", "shell": "ls"}]}),
                json!({}),
                json!({"steps": [{"name": "one", "steps": [{"name": "mine", "shell": "ls"}]}]}),
            ),
        ];
        for (shows, one, two, expected) in table {
            assert_eq!(
                merged(&[("one", one), ("two", two)]),
                Ok(expected),
                "{shows}"
            );
        }
    }

    /// (what it shows, the two parts, the path that the error names)
    #[test]
    fn parts_that_disagree_are_refused_naming_both_phases_and_the_path() {
        let table = [
            (
                "scalars",
                json!({"concurrency": {"max": 1}}),
                json!({"concurrency": {"max": 2}}),
                "`concurrency.max`",
            ),
            (
                "kinds",
                json!({"container": {"image": "x"}}),
                json!({"container": "x"}),
                "`container`",
            ),
            (
                "a list against a scalar",
                json!({"events": [{}]}),
                json!({"events": "x"}),
                "`events`",
            ),
            (
                "env",
                json!({"container": {"env": [{"name": "A", "value": "1"}]}}),
                json!({"container": {"env": [{"name": "A", "value": "2"}]}}),
                "`container.env[name=A]`",
            ),
            (
                "other lists have one writer",
                json!({"x": {"l": [1]}}),
                json!({"x": {"l": [1]}}),
                "`x.l`",
            ),
            (
                "a list under a key that reads like a path",
                json!({"container.env": [{"name": "A"}]}),
                json!({"container.env": [{"name": "A"}]}),
                "`container.env`",
            ),
        ];
        for (shows, one, two, path) in table {
            let errors = merged(&[("one", one), ("two", two)]).unwrap_err();
            assert_eq!(errors.len(), 1, "{shows}");
            assert!(
                errors[0].starts_with(&format!("phases `one` and `two` both set {path}")),
                "{shows}: {errors:?}"
            );
        }
    }

    #[test]
    fn null_is_refused_at_any_depth() {
        for (part, path) in [
            (json!({"container": null}), "container"),
            (
                json!({"container": {"env": [{"name": "A", "value": null}]}}),
                "container.env[0].value",
            ),
            (
                json!({"steps": [{"run": {"args": [null]}}]}),
                "steps[0].run.args[0]",
            ),
        ] {
            let errors = merged(&[("one", part)]).unwrap_err();
            assert_eq!(
                errors,
                [format!(
                    "phase `one` sets `{path}` to null; leave the key out instead"
                )]
            );
        }
    }

    #[test]
    fn entries_without_their_key_and_steps_of_another_type_are_refused() {
        assert!(
            merged(&[("one", json!({"container": {"env": [{"value": "1"}]}}))]).unwrap_err()[0]
                .contains("`name`")
        );
        assert!(
            merged(&[("one", json!({"steps": {"run": {}}}))]).unwrap_err()[0]
                .contains("found an object")
        );
        assert!(
            merged(&[("one", json!({"steps": ["ls"]}))]).unwrap_err()[0]
                .contains("found a text at `steps[0]`")
        );
    }
}

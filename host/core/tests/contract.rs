//! `docs/contract.md` says what the code does: its lists and tables after `<!-- checked: … -->` are compared with the code's own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use serde_json::{Map, Value, json};
use testbench_core::compose::{Grants, MergeError, PolicyError, contract};
use testbench_core::invoke::input_keys;
use testbench_core::slots::{SLOTS, may_be_disabled};
use testbench_engine::{CallError, POWERLESS, contract_numbers, generators};

const DOCUMENT: &str = include_str!("../../../docs/contract.md");
const SCHEMA: &str = include_str!("../../../docs/input.schema.json");
/// The schema as it was when contract 0.1 was frozen.
const FROZEN_SCHEMA: &str = include_str!("contract/input-0.1.schema.json");

/// The lines after the marker `name`, up to the next blank line behind them.
fn checked(name: &str) -> Vec<&'static str> {
    let marker = format!("<!-- checked: {name} -->");
    let (_, rest) = DOCUMENT
        .split_once(&marker)
        .unwrap_or_else(|| panic!("docs/contract.md has no `{marker}`"));
    let lines = rest.lines().skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect()
}

/// The lines of a fenced list.
fn list(name: &str) -> Vec<&'static str> {
    match checked(name).as_slice() {
        ["```", entries @ .., "```"] => entries.to_vec(),
        other => panic!("expected a fenced list after `checked: {name}`, found {other:?}"),
    }
}

/// The rows of a table, by cell, without its head. Names and paths stand in backticks, which are no part of them.
fn table(name: &str) -> Vec<Vec<String>> {
    let rows = checked(name).into_iter().skip(2).map(|row| {
        let row = row.strip_prefix('|').and_then(|row| row.strip_suffix('|'));
        let cells = row.unwrap_or_else(|| panic!("expected a table after `checked: {name}`"));
        let cells = cells.split(" | ").map(|cell| cell.trim().to_owned());
        cells.collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    assert!(!rows.is_empty(), "the table `checked: {name}` is empty");
    rows
}

fn name_of(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// The names in a cell: everything in backticks.
fn names_in(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Both hold the same, in whatever order, and nothing twice.
fn assert_same<T: Ord + Debug + Clone>(name: &str, code: Vec<T>, document: Vec<T>) {
    let set = |entries: &[T]| entries.iter().cloned().collect::<BTreeSet<_>>();
    let (in_code, in_document) = (set(&code), set(&document));
    assert_eq!(
        document.len(),
        in_document.len(),
        "`{name}` says something twice"
    );
    let missing: Vec<_> = in_code.difference(&in_document).collect();
    let wrong: Vec<_> = in_document.difference(&in_code).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "docs/contract.md, below `<!-- checked: {name} -->`: add {missing:#?}, remove {wrong:#?}"
    );
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn slots_are_those_of_the_chain_in_its_order() {
    let rows = table("slots");
    let documented: Vec<_> = rows
        .iter()
        .map(|row| (name_of(&row[0]), row[1] == "yes"))
        .collect();
    let code: Vec<_> = SLOTS
        .iter()
        .map(|&slot| (slot.to_owned(), may_be_disabled(slot)))
        .collect();
    assert_eq!(documented, code, "docs/contract.md, `checked: slots`");
}

#[test]
fn lists_are_those_of_the_policy() {
    let (prefix, keys) = contract::plugin_metadata();
    let metadata = [&[prefix], keys].concat();
    let generators: Vec<_> = generators().collect();
    for (name, code) in [
        ("paths", contract::workflow_paths()),
        ("env lists", contract::env_lists()),
        ("metadata", metadata.as_slice()),
        ("exports", generators.as_slice()),
    ] {
        assert_same(name, code.to_vec(), list(name));
    }
}

#[test]
fn grants_are_those_of_the_bundled_slots() {
    let code = SLOTS.iter().flat_map(|&slot| {
        let paths = Grants::bundled(slot).workflow_paths.into_iter();
        paths.map(move |path| (slot.to_owned(), path))
    });
    let documented = table("grants")
        .iter()
        .map(|row| (name_of(&row[0]), name_of(&row[1])))
        .collect();
    assert_same("grants", code.collect(), documented);
}

#[test]
fn merge_rules_are_those_of_compose() {
    let rules = contract::list_rules().map(|(path, rule)| (path.to_owned(), rule));
    let code = rules.chain([("any other list".to_owned(), "one writer".to_owned())]);
    let documented = table("merge")
        .iter()
        .map(|row| (name_of(&row[0]), row[1].clone()))
        .collect();
    assert_same("merge", code.collect(), documented);
}

#[test]
fn merge_errors_read_as_documented() {
    let (run, evaluate) = (|| "run".to_owned(), || "evaluate".to_owned());
    let errors = [
        MergeError::Conflict {
            first: run(),
            second: evaluate(),
            path: "container.env[name=A]".to_owned(),
            is_list: false,
        },
        MergeError::Null {
            phase: run(),
            path: "concurrency.max".to_owned(),
        },
        MergeError::NoKey {
            phase: run(),
            path: "container.env".to_owned(),
            key: "name",
        },
        MergeError::Steps {
            phase: run(),
            path: "steps[0]".to_owned(),
            found: "a text",
        },
    ];
    let code = errors.iter().map(ToString::to_string).collect();
    assert_same("merge errors", code, owned(&list("merge errors")));
}

#[test]
fn refusals_read_as_documented() {
    let phase = || "run".to_owned();
    let errors = [
        PolicyError::Path {
            phase: phase(),
            path: "pod.serviceAccountName".to_owned(),
        },
        PolicyError::Reference {
            phase: phase(),
            path: "container.env[0].valueFrom".to_owned(),
        },
        PolicyError::Kind {
            phase: phase(),
            key: "token".to_owned(),
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
        },
        PolicyError::Body {
            phase: phase(),
            key: "report".to_owned(),
            path: "metadata.finalizers".to_owned(),
            why: "belongs to the host".to_owned(),
        },
    ];
    let code = errors.iter().map(ToString::to_string).collect();
    assert_same("policy errors", code, owned(&list("policy errors")));
}

#[test]
fn kinds_and_triggers_are_those_of_the_policy() {
    let kinds = contract::object_kinds().iter();
    let code = kinds.map(|(version, kind, fields)| (format!("{version} {kind}"), owned(fields)));
    let documented = table("kinds")
        .iter()
        .map(|row| (name_of(&row[0]), names_in(&row[1])))
        .collect();
    assert_same("kinds", code.collect(), documented);

    let documented = table("trigger")
        .iter()
        .map(|row| name_of(&row[0]))
        .collect();
    assert_same("trigger", owned(contract::trigger_keys()), documented);
}

/// A new variant has to be named here, and with that in the document.
fn all_causes() -> Vec<String> {
    let (stderr, limit) = (String::new(), Duration::ZERO);
    let errors = [
        CallError::CpuLimit {
            limit,
            stderr: stderr.clone(),
        },
        CallError::WallLimit {
            limit,
            stderr: stderr.clone(),
        },
        CallError::MemoryLimit {
            limit: 0,
            stderr: stderr.clone(),
        },
        CallError::OutputLimit {
            limit: 0,
            stderr: stderr.clone(),
        },
        CallError::InvalidOutput {
            at: String::new(),
            why: String::new(),
            stderr: stderr.clone(),
        },
        CallError::Trap {
            cause: String::new(),
            stderr,
        },
        CallError::Host(String::new()),
    ];
    let named = |error: &CallError| match error {
        CallError::CpuLimit { .. }
        | CallError::WallLimit { .. }
        | CallError::MemoryLimit { .. }
        | CallError::OutputLimit { .. }
        | CallError::InvalidOutput { .. }
        | CallError::Trap { .. }
        | CallError::Host(_) => error.cause().to_owned(),
    };
    errors.iter().map(named).collect()
}

#[test]
fn causes_and_powerless_packages_are_those_of_the_engine() {
    for (name, code) in [("causes", all_causes()), ("wasi", owned(POWERLESS))] {
        let documented = table(name).iter().map(|row| name_of(&row[0])).collect();
        assert_same(name, code, documented);
    }
}

#[test]
fn numbers_are_those_that_are_enforced() {
    let objects = contract::numbers();
    let objects = objects.map(|(name, number)| (name.to_owned(), u64::try_from(number).unwrap()));
    let calls = contract_numbers();
    let calls = calls
        .into_iter()
        .map(|(name, number)| (name.to_owned(), number));
    let rows = [table("limits"), table("clocks")].concat();
    let documented = rows
        .iter()
        .map(|row| (row[0].clone(), number(&row[1])))
        .collect();
    assert_same(
        "limits / clocks",
        calls.chain(objects).collect(),
        documented,
    );
}

/// `50,000`, `2 MiB` in bytes, `5 s` in milliseconds.
fn number(text: &str) -> u64 {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let unit = match unit {
        "" | "ms" => 1,
        "s" => 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        other => panic!("unit `{other}` of `{text}`"),
    };
    digits.replace(',', "").parse::<u64>().unwrap() * unit
}

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

#[test]
fn input_keys_are_those_that_a_plugin_may_ask_for_and_the_schema_knows_them() {
    let first = |name| {
        table(name)
            .iter()
            .map(|row| name_of(&row[0]))
            .collect::<Vec<_>>()
    };
    let code = input_keys().map(str::to_owned).collect::<Vec<_>>();
    assert_same("inputs", code.clone(), first("inputs"));

    let schema = schema();
    let base = schema["required"].as_array().unwrap().iter();
    let base: Vec<_> = base.map(|key| key.as_str().unwrap().to_owned()).collect();
    assert_same("base", base.clone(), first("base"));
    let properties = schema["properties"].as_object().unwrap().keys().cloned();
    let known: BTreeSet<_> = properties.collect();
    assert_eq!(
        known,
        base.into_iter().chain(code).collect(),
        "properties of docs/input.schema.json"
    );
}

#[test]
fn every_example_is_valid_as_part_of_the_base() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let example = |row: &Vec<String>| {
        let text = name_of(&row[3]);
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (name_of(&row[0]), value)
    };
    let base: Map<String, Value> = table("base").iter().map(example).collect();
    for (key, value) in table("inputs").iter().map(example) {
        let mut input = base.clone();
        input.insert(key.clone(), value);
        if let Err(error) = validator.validate(&Value::Object(input)) {
            panic!(
                "the example of `{key}`: {error} at {}",
                error.instance_path()
            );
        }
    }
}

#[test]
fn the_input_still_is_what_0_1_promised() {
    let frozen: Value = serde_json::from_str(FROZEN_SCHEMA).unwrap();
    let broken = taken_back("#", &frozen, &schema());
    assert!(
        broken.is_empty(),
        "docs/input.schema.json takes back what plugins of contract 0.1 rely on: {broken:#?}. Put it back. The schema may grow \
         beside it, by properties, required ones too, and by choices of a `oneOf`; anything else needs a new version of the \
         contract (docs/contract.md §10)."
    );
}

/// Where `today` lacks what `frozen` says. It may say more.
fn taken_back(at: &str, frozen: &Value, today: &Value) -> Vec<String> {
    let may_grow = at.ends_with("/required") || at.ends_with("/oneOf");
    match (frozen, today) {
        (Value::Object(before), Value::Object(now)) => before
            .iter()
            .filter(|(key, value)| !is_prose(key, value))
            .flat_map(|(key, value)| {
                let now = now.get(key).unwrap_or(&Value::Null);
                taken_back(&format!("{at}/{key}"), value, now)
            })
            .collect(),
        (Value::Array(before), Value::Array(now)) if may_grow => before
            .iter()
            .filter(|entry| !now.iter().any(|now| taken_back(at, entry, now).is_empty()))
            .map(|entry| format!("{at}: {entry}"))
            .collect(),
        _ if frozen == today => Vec::new(),
        _ => vec![format!("{at}: {frozen}")],
    }
}

/// Descriptions may be put better at any time.
fn is_prose(key: &str, value: &Value) -> bool {
    ["description", "title"].contains(&key) && value.is_string()
}

#[test]
fn growth_of_the_input_is_told_from_what_breaks_plugins() {
    let before = json!({
        "required": ["a"],
        "properties": {"a": {"enum": [1], "description": "old"}, "b": {"oneOf": [{"type": "string"}]}}
    });
    let changed = |pointer: &str, value: Value| {
        let mut schema = before.clone();
        *schema.pointer_mut(pointer).unwrap() = value;
        taken_back("#", &before, &schema)
    };
    for (pointer, grown) in [
        ("/required", json!(["b", "a"])),
        ("/properties/a/description", json!("new")),
        ("/properties/a", json!({"enum": [1], "minimum": 0})),
        (
            "/properties/b/oneOf",
            json!([{"type": "number"}, {"type": "string"}]),
        ),
    ] {
        assert_eq!(changed(pointer, grown), Vec::<String>::new(), "{pointer}");
    }
    for (pointer, broken, at) in [
        ("/required", json!([]), "#/required: \"a\""),
        ("/properties/a", Value::Null, "#/properties/a: "),
        (
            "/properties/a/enum",
            json!([1, 2]),
            "#/properties/a/enum: [1]",
        ),
        (
            "/properties/b/oneOf/0/type",
            json!("number"),
            "#/properties/b/oneOf: ",
        ),
    ] {
        let found = changed(pointer, broken);
        assert!(found.len() == 1 && found[0].starts_with(at), "{found:?}");
    }
}

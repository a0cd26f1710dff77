//! What holds of a merge whatever phases say.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::properties::{config, percent};

/// What one phase says, under its name.
type Spoken = (String, Map<String, Value>);

/// What phases usually agree on, and now and then not.
fn mostly(usual: Value, odd: impl Into<Vec<Value>>) -> BoxedStrategy<Value> {
    prop_oneof![20 => Just(usual), 1 => prop::sample::select(odd.into())].boxed()
}

fn entry(id: &'static str, ids: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let odd = [json!("odd"), json!({"deep": [1, null]}), json!(1)];
    let entry = (prop::sample::select(ids), mostly(json!("usual"), odd))
        .prop_map(move |(name, value)| json!({id: name, "value": value}));
    prop_oneof![40 => entry, 1 => Just(json!({"value": "nameless"})), 1 => Just(json!("no object"))]
}

/// Fields that are there half of the time.
fn object(
    fields: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> impl Strategy<Value = Map<String, Value>> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(key, value)| option::of(value).prop_map(move |value| Some((key.to_owned(), value?))))
        .collect();
    fields.prop_map(|fields| fields.into_iter().flatten().collect())
}

fn map_of(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    object(fields).prop_map(Value::Object).boxed()
}

/// Where nothing is said twice by saying it again: no list but those whose entries have names.
fn plain() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let env = vec(entry("name", &["A", "B", "C", "D"]), 0..4).prop_map(Value::from);
    let files = vec(entry("path", &["/a", "/b", "/c"]), 0..3).prop_map(Value::from);
    let any = prop_oneof![
        6 => Just(json!({"a": {"b": true}})),
        1 => prop::sample::select(vec![json!({"a": null}), json!({"a": 1, "c": {}}), json!("s"), Value::Null]),
    ];
    vec![
        (
            "container",
            map_of(vec![
                ("env", env.boxed()),
                ("image", mostly(json!("i"), [json!("j")])),
            ]),
        ),
        ("content", map_of(vec![("files", files.boxed())])),
        (
            "concurrency",
            map_of(vec![
                ("max", mostly(json!(1), [json!(2), json!({}), json!(1.0)])),
                ("group", mostly(json!("g"), [json!("")])),
            ]),
        ),
        ("any", any.boxed()),
    ]
}

fn part() -> impl Strategy<Value = Map<String, Value>> {
    let step = prop_oneof![
        4 => Just(json!({"shell": "ls"})),
        2 => Just(json!({"name": "mine"})),
        1 => Just(json!({"steps": [{"shell": "ls"}]})),
    ];
    let steps = prop_oneof![
        12 => vec(step, 0..3).prop_map(Value::from),
        1 => prop::sample::select(vec![json!({}), json!(["no object"]), json!([null]), Value::Null]),
    ];
    let events = vec(0..3, 0..3).prop_map(Value::from);
    let one_writer = prop_oneof![9 => Just(json!({})), 1 => Just(json!({"list": [1]}))];
    let mut fields = plain();
    fields.extend([
        ("steps", steps.boxed()),
        ("events", mostly(json!([1]), [json!("no list")])),
        ("events", events.boxed()),
        ("one writer", one_writer.boxed()),
        (
            "container.env",
            mostly(json!("a key, no path"), [json!([{"name": "A"}]), json!([])]),
        ),
    ]);
    object(fields)
}

fn named(parts: Vec<Map<String, Value>>) -> Vec<Spoken> {
    let name = |(i, part)| (format!("phase{i}"), part);
    parts.into_iter().enumerate().map(name).collect()
}

fn chain_of(
    phases: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Spoken>> {
    vec(part(), phases).prop_map(named)
}

fn merged(spoken: &[Spoken]) -> Result<Value, Vec<MergeError>> {
    let parts: Vec<_> = spoken
        .iter()
        .map(|(phase, workflow)| Part { phase, workflow })
        .collect();
    merge(&parts).map(Value::Object)
}

/// `spec` with every list whose order means something in an order of its own.
fn unordered(mut spec: Value) -> Value {
    for list in ["/steps", "/events", "/container/env", "/content/files"] {
        if let Some(Value::Array(entries)) = spec.pointer_mut(list) {
            entries.sort_by_key(Value::to_string);
        }
    }
    spec
}

/// What is wrong where; and between whom, where only two have spoken and none can contradict itself, as it can in a list.
fn complaints(errors: &[MergeError], pairs: bool) -> BTreeSet<String> {
    let complaint = |error: &MergeError| match error {
        MergeError::Conflict {
            first,
            second,
            path,
            ..
        } if pairs && !path.ends_with(']') => {
            format!("{path}: {:?}", BTreeSet::from([first, second]))
        }
        MergeError::Conflict { path, .. } => path.clone(),
        other => other.to_string(),
    };
    errors.iter().map(complaint).collect()
}

/// Everything that `value` says, apart from the order of the lists that merge. Steps are looked at by themselves.
fn said(value: &Value, path: &str, found: &mut BTreeSet<(String, String)>) {
    let mut say = |what: String| found.extend([(path.to_owned(), what)]);
    match value {
        Value::Object(fields) => {
            say("an object".to_owned());
            for (key, field) in fields.iter().filter(|(key, _)| *key != "steps") {
                said(field, &format!("{path}/{key}"), found);
            }
        }
        Value::Array(entries)
            if ["/container/env", "/content/files", "/events"].contains(&path) =>
        {
            say("a list".to_owned());
            entries.iter().for_each(|entry| say(entry.to_string()));
        }
        other => say(other.to_string()),
    }
}

fn step_of((phase, part): &Spoken) -> Option<Value> {
    let steps = part.get("steps")?.as_array()?;
    match steps.as_slice() {
        [] => None,
        [step] if step.get("name").is_none() => {
            let mut step = step.clone();
            step["name"] = json!(phase);
            Some(step)
        }
        several => Some(json!({"name": phase, "steps": several})),
    }
}

#[test]
fn enough_of_the_cases_merge_and_enough_do_not() {
    let merging = percent(&chain_of(2..5), |spoken| merged(spoken).is_ok());
    assert!((25..75).contains(&merging), "{merging} %");
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn the_order_of_phases_decides_nothing_but_the_order_of_ordered_lists(
        (spoken, shuffled) in chain_of(2..5).prop_flat_map(|spoken| (Just(spoken.clone()), Just(spoken).prop_shuffle())),
    ) {
        match (merged(&spoken), merged(&shuffled)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(unordered(one), unordered(other)),
            (Err(one), Err(other)) => {
                let pairs = spoken.len() == 2;
                prop_assert_eq!(complaints(&one, pairs), complaints(&other, pairs));
            }
            (one, other) => prop_assert!(false, "{one:?}, in another order {other:?}"),
        }
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_made_up(spoken in chain_of(1..5)) {
        let Ok(spec) = merged(&spoken) else { return Ok(()) };
        let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
        for (_, part) in &spoken {
            said(&Value::Object(part.clone()), "", &mut before);
        }
        said(&spec, "", &mut after);
        prop_assert_eq!(before, after);

        let events = |spec: &Value| spec["events"].as_array().map_or(0, Vec::len);
        let each = spoken.iter().map(|(_, part)| events(&Value::Object(part.clone())));
        prop_assert_eq!(each.sum::<usize>(), events(&spec), "an event may be meant twice");

        let steps: Vec<_> = spoken.iter().filter_map(step_of).collect();
        prop_assert_eq!(json!(steps), spec.get("steps").cloned().unwrap_or(json!([])));
    }

    #[test]
    fn what_two_phases_say_alike_counts_once(part in object(plain())) {
        let once = merged(&named(vec![part.clone()]));
        let twice = merged(&named(vec![part.clone(), part]));
        prop_assert_eq!(once.as_ref().ok(), twice.as_ref().ok());
        if let Ok(spec) = once {
            let again = merged(&named(vec![spec.as_object().unwrap().clone()]));
            prop_assert_eq!(again, Ok(spec), "what is merged stays as it is");
        }
    }
}

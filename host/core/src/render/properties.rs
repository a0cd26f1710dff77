//! Whatever is in a file, the answer is objects or an error, never a panic.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use testbench_api::EXPERIMENT_CRD;

use super::*;
use crate::properties::{config, json as any_json, percent, text};
use crate::validate::validate;
use crate::yaml;

/// Files with everything in them.
const SAMPLES: &[&str] = &[
    include_str!("../../../../deploy/samples/inline.yaml"),
    include_str!("../../../../tests/cases/experiment/every-field/input.yaml"),
    include_str!("../../../../tests/cases/experiment/earlier-operators-inline-dataset/input.yaml"),
];

/// What YAML is made of.
const TOKENS: &[&str] = &[
    "a",
    "- ",
    ": ",
    "? ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&a ",
    "*a",
    "!!int ",
    "!x ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "# ",
    "'",
    "\"",
    "\\",
    "\t",
    "<<: ",
    "%YAML 1.1\n",
    "0x1F",
    "1e999",
    "-.inf",
    ".nan",
    "~",
    "true",
    "\u{feff}",
    "\u{0}",
    "😀",
    "\r",
    "apiVersion: v1\n",
    "kind: List\n",
    "items: ",
    "metadata: {name: a}\n",
    "9223372036854775808",
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::experiment().unwrap());
static STRUCTURE: LazyLock<Value> = LazyLock::new(|| {
    let crd = yaml::parse(EXPERIMENT_CRD).unwrap().remove(0).value;
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
    schema.unwrap().clone()
});

/// Everything but the plugins. Whether the Experiment is one that the API server takes.
fn judge(manifest: Value, references: &FileReferences) -> Result<bool, TestCaseError> {
    let Ok(admitted) = SCHEMA.admit(manifest) else {
        return Ok(false);
    };
    let experiment = Experiment::from_manifest(admitted);
    let experiment = experiment.map_err(|error| {
        TestCaseError::fail(format!("no type for what the schema takes: {error}"))
    })?;
    let placement = placement(&experiment);
    prop_assert!(placement.workflow_name().len() <= 253);
    let resolved = resolve(experiment, references, "system");
    if let Err(invalid) = validate(resolved) {
        prop_assert!(!invalid.is_empty());
    }
    Ok(true)
}

fn judge_all(text: String) -> Result<(), TestCaseError> {
    let name = "file.yaml".to_owned();
    match Manifests::read(&[Source { name, text }]) {
        Ok(Manifests {
            experiments,
            references,
            ..
        }) => {
            for experiment in experiments {
                prop_assert!(!experiment.title().is_empty());
                judge(experiment.manifest, &references)?;
            }
        }
        Err(error) => prop_assert!(error.to_string().starts_with("file.yaml"), "{}", error),
    }
    Ok(())
}

#[derive(Debug, Clone)]
enum Edit {
    Cut(Index, usize),
    Put(Index, String),
    Again(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        (
            any::<Index>(),
            prop_oneof![select(TOKENS).prop_map(str::to_owned), text()]
        )
            .prop_map(|(at, put)| Edit::Put(at, put)),
        (any::<Index>(), 1..200_usize).prop_map(|(at, length)| Edit::Again(at, length)),
    ]
}

fn edited(sample: &str, edits: &[Edit]) -> String {
    let mut text: Vec<char> = sample.chars().collect();
    for edit in edits {
        let (at, length) = match edit {
            Edit::Cut(at, length) | Edit::Again(at, length) => (at, *length),
            Edit::Put(at, _) => (at, 0),
        };
        let at = at.index(text.len() + 1);
        let end = (at + length).min(text.len());
        let put: Vec<char> = match edit {
            Edit::Cut(..) => Vec::new(),
            Edit::Put(_, put) => put.chars().collect(),
            Edit::Again(..) => [&text[at..end], &text[at..end]].concat(),
        };
        text.splice(at..end, put);
    }
    text.into_iter().collect()
}

/// Mostly what `schema` describes.
fn described(schema: &'static Value) -> BoxedStrategy<Value> {
    let usual = match schema["type"].as_str() {
        _ if schema["enum"].is_array() => {
            select(schema["enum"].as_array().unwrap().clone()).boxed()
        }
        _ if schema["x-kubernetes-int-or-string"] == true => {
            prop_oneof![text().prop_map(Value::from), Just(json!(7))].boxed()
        }
        Some("object") if schema["properties"].is_object() => object(schema),
        Some("object") => fields(),
        Some("array") => vec(described(&schema["items"]), 1..3)
            .prop_map(Value::from)
            .boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some("integer") => (0..70_000_i64).prop_map(Value::from).boxed(),
        Some("number") => select(vec![json!(0), json!(0.5), json!(1), json!(1e-300)]).boxed(),
        Some("string") => {
            prop_oneof![3 => "[a-z]{1,5}", 1 => Just("http://a/b".to_owned()), 1 => text()]
                .prop_map(Value::from)
                .boxed()
        }
        _ => any_json(text()),
    };
    prop_oneof![150 => usual, 1 => any_json(text())].boxed()
}

fn fields() -> BoxedStrategy<Value> {
    vec((text(), any_json(text())), 0..3)
        .prop_map(|fields| fields.into_iter().collect())
        .boxed()
}

fn object(schema: &'static Value) -> BoxedStrategy<Value> {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let fields: Vec<_> = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, schema)| {
            let there = if required.contains(&json!(key)) {
                0.99
            } else {
                0.3
            };
            option::weighted(there, described(schema))
                .prop_map(move |value| Some((key.clone(), value?)))
        })
        .collect();
    fields
        .prop_map(|fields| fields.into_iter().flatten().collect())
        .boxed()
}

/// `object` with one of the fields that exclude each other, if `keep` says which.
fn one_of(object: &mut Map<String, Value>, fields: &[&str], keep: Index) {
    let there: Vec<_> = fields
        .iter()
        .filter(|field| object.contains_key(**field))
        .copied()
        .collect();
    if !there.is_empty() {
        let kept = there[keep.index(there.len())];
        object.retain(|field, _| field == kept || !fields.contains(&field.as_str()));
    }
}

fn experiment() -> impl Strategy<Value = Value> {
    let spec = &STRUCTURE["properties"]["spec"];
    let needed = (
        described(&spec["properties"]["scenarios"]),
        described(&spec["properties"]["dataset"]["properties"]["inline"]),
    );
    let name = prop_oneof![9 => "[a-z0-9]([a-z0-9.-]{0,240}[a-z0-9])?", 1 => text()];
    let status = option::weighted(0.3, described(&STRUCTURE["properties"]["status"]));
    let labels = option::weighted(0.3, fields());
    (name, labels, described(spec), needed, status, any::<Index>(), any::<Index>()).prop_map(
        |(name, labels, mut spec, (scenarios, inline), status, data, source)| {
            if let Some(spec) = spec.as_object_mut() {
                spec.entry("scenarios").or_insert(scenarios);
                one_of(spec, &["scenarios", "dataset"], data);
                if let Some(dataset) = spec.get_mut("dataset").and_then(Value::as_object_mut) {
                    dataset.entry("inline").or_insert(inline);
                    one_of(dataset, &["url", "s3", "inline"], source);
                }
            }
            let mut manifest = json!({
                "apiVersion": "testbench.agentic-layer.ai/v1alpha1", "kind": "Experiment", "metadata": {"name": name}, "spec": spec,
            });
            let labels = labels.map(|labels| ("labels", labels));
            manifest["metadata"].as_object_mut().unwrap().extend(labels.map(|(key, labels)| (key.to_owned(), labels)));
            manifest.as_object_mut().unwrap().extend(status.map(|status| ("status".to_owned(), status)));
            manifest
        },
    )
}

#[test]
fn enough_of_the_experiments_are_admitted_and_enough_are_not() {
    let admitted = percent(&experiment(), |manifest| {
        SCHEMA.admit(manifest.clone()).is_ok()
    });
    assert!((15..85).contains(&admitted), "{admitted} %");
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        judge_all(text)?;
    }

    #[test]
    fn anything_made_of_yaml_is_read_or_refused(tokens in vec(select(TOKENS), 0..40)) {
        judge_all(tokens.concat())?;
    }

    #[test]
    fn a_file_with_any_mistake_in_it_is_read_or_refused(sample in select(SAMPLES), edits in vec(edit(), 1..5)) {
        judge_all(edited(sample, &edits))?;
    }

    #[test]
    fn what_the_schema_takes_the_types_take(manifest in experiment()) {
        judge(manifest, &FileReferences::default())?;
    }

    #[test]
    fn what_is_written_is_what_is_read(value in any_json(text())) {
        let text = yaml::to_yaml(&json!({"a": value})).unwrap();
        let written = yaml::parse(&text).unwrap().remove(0).value;
        let again = yaml::parse(&yaml::to_yaml(&written).unwrap()).unwrap().remove(0).value;
        prop_assert_eq!(&again, &written);
        prop_assert_eq!(said(&written["a"]), said(&value), "{}", text);
    }
}

/// `value`, however its numbers are spelt: whole ones of 64 bits are exact, and all others are floats.
fn said(value: &Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
                format!("{float}").parse::<i64>().unwrap().into()
            }
            float => json!(float),
        },
        Value::Array(entries) => entries.iter().map(said).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| (key.clone(), said(field)))
            .collect(),
        other => other.clone(),
    }
}

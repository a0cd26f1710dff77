//! `experiment.json`, as the phase images read it: the API's own names in snake_case, free-form JSON copied as it is, and
//! what is absent left out, because an explicit null is refused.

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Number;
use serde_json::value::RawValue;
use testbench_plugin_sdk::{Failure, Input};

#[derive(Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    llm_as_a_judge_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_threshold: Option<&'a Number>,
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize, Serialize)]
struct Scenario {
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"))]
struct Step {
    input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_values: Option<FreeForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Vec<Metric>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"))]
struct Reference {
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<ToolCall>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retrieved_contexts: Option<Vec<String>>,
}

#[derive(Deserialize, Serialize)]
struct ToolCall {
    name: String,
    #[serde(serialize_with = "or_empty")]
    args: Option<FreeForm>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"))]
struct Metric {
    metric_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<FreeForm>,
}

/// A JSON object that is the user's own. It is never parsed, so nothing in it can change: nulls, large integers, digits.
#[derive(Deserialize, Serialize)]
#[serde(try_from = "Box<RawValue>")]
struct FreeForm(Box<RawValue>);

impl TryFrom<Box<RawValue>> for FreeForm {
    type Error = String;

    fn try_from(json: Box<RawValue>) -> Result<Self, String> {
        if json.get().starts_with('{') {
            Ok(Self(json))
        } else {
            Err(format!("expected an object, found {json}"))
        }
    }
}

/// The images require `args`: a call without any has none.
fn or_empty<S: Serializer>(args: &Option<FreeForm>, serializer: S) -> Result<S::Ok, S::Error> {
    match args {
        Some(args) => args.serialize(serializer),
        None => serializer.serialize_map(Some(0))?.end(),
    }
}

/// The document of an Experiment in inline mode.
pub(crate) fn text(input: &Input) -> Result<String, Failure> {
    let Some(scenarios) = &input.scenarios else {
        let message = "expected scenarios in inline mode, found none";
        return Err(Failure::rejected("NoScenarios", message));
    };
    let scoring = input.scoring.as_ref();
    let document = Document {
        llm_as_a_judge_model: scoring.and_then(|scoring| scoring.llm_as_a_judge_model.as_deref()),
        default_threshold: scoring.and_then(|scoring| scoring.default_threshold.as_ref()),
        scenarios: scenarios.parse()?,
    };
    serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::rejected("UnwritableDocument", error.to_string()))
}

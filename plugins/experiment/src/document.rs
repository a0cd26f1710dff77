//! `experiment.json`, as the phase images read it: the API's own names in snake_case, free-form JSON untouched, and what
//! is absent left out, because an explicit null is refused.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use testbench_plugin_sdk::{Failure, Input};

type Object = Map<String, Value>;

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

/// Numbers stay as they were written: a threshold of 0 is one.
#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"))]
struct Step {
    input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_values: Option<Object>,
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

/// The images require `args`: a call without any has none.
#[derive(Deserialize, Serialize)]
struct ToolCall {
    name: String,
    #[serde(default)]
    args: Object,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"))]
struct Metric {
    metric_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Object>,
}

/// The document of an Experiment in inline mode.
pub(crate) fn text(input: &Input) -> Result<String, Failure> {
    let scenarios = match &input.scenarios {
        Some(scenarios) => scenarios.parse()?,
        None => {
            return Err(Failure::rejected(
                "NoScenarios",
                "expected scenarios in inline mode, found none",
            ));
        }
    };
    let scoring = input.scoring.as_ref();
    let document = Document {
        llm_as_a_judge_model: scoring.and_then(|scoring| scoring.llm_as_a_judge_model.as_deref()),
        default_threshold: scoring.and_then(|scoring| scoring.default_threshold.as_ref()),
        scenarios,
    };
    serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::rejected("UnwritableDocument", error.to_string()))
}

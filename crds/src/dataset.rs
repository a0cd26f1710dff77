use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object of any content. What is in it reaches the phase as it is, inner nulls and all.
pub type FreeForm = Map<String, Value>;

/// Where scenarios come from. Exactly one of url, s3 and inline is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "crd",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "[has(self.url), has(self.s3), has(self.inline)].filter(is_set, is_set).size() == 1",
        "message": "set exactly one of url, s3 and inline"
    }]))
)]
pub struct Dataset {
    /// An HTTP or HTTPS URL of an experiment.json.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 2048), extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^https?://[^/]')",
        "message": "expected a URL that starts with http:// or https:// and names a host"
    }])))]
    pub url: Option<String>,
    /// An experiment.json in a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Source>,
    /// Scenarios, spelt as an earlier operator had them. New Experiments set spec.scenarios instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineDataset>,
}

/// An object in a bucket. Its server and credentials are the platform's, not the Experiment's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct S3Source {
    /// Name of the bucket.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub bucket: String,
    /// Key of the object in it.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 1024)))]
    pub key: String,
}

/// Scenarios as an earlier operator had them; they give what the same values beside spec.scenarios give.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct InlineDataset {
    /// The scenarios to run.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 1000), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
    )))]
    pub scenarios: Vec<Scenario>,
    /// The model that judges answers. May also stand in spec.llmAsAJudgeModel, with the same value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 253)))]
    pub llm_as_a_judge_model: Option<String>,
    /// The score that a metric without a threshold has to reach. May also stand in spec.defaultThreshold, with the same value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 1)))]
    pub default_threshold: Option<f64>,
}

/// One conversation with the agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Scenario {
    /// Name of the scenario, unique in the Experiment: results are kept under it.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// What is said, in this order, in one conversation.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 50)))]
    pub steps: Vec<Step>,
}

/// One thing said to the agent, and what is expected of its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Step {
    /// What the user says.
    pub input: String,
    /// What a good answer holds, for the metrics that compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Values of your own for metrics that read them. A JSON object of any content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::crd::free_form"))]
    pub custom_values: Option<FreeForm>,
    /// How the answer is judged. Without metrics the step is only said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 100)))]
    pub metrics: Option<Vec<Metric>>,
}

/// What a good answer holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Reference {
    /// The answer itself, or one as good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Tools that the agent should call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 1000)))]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Topics that the answer should keep to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 1000)))]
    pub topics: Option<Vec<String>>,
    /// Texts that the answer should rest on, for metrics that judge faithfulness.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 1000)))]
    pub retrieved_contexts: Option<Vec<String>>,
}

/// A tool that the agent should call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// Name of the tool.
    #[cfg_attr(feature = "crd", schemars(length(min = 1)))]
    pub name: String,
    /// Its arguments, a JSON object of any content; none where it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::crd::free_form"))]
    pub args: Option<FreeForm>,
}

/// One judgement of an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct Metric {
    /// Name of the metric, for example `ragas_faithfulness` or `tool_check`.
    #[cfg_attr(feature = "crd", schemars(length(min = 1)))]
    pub metric_name: String,
    /// The score, from 0 to 1, that the answer has to reach; spec.defaultThreshold where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 1)))]
    pub threshold: Option<f64>,
    /// Parameters of the metric, a JSON object of any content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(schema_with = "crate::crd::free_form"))]
    pub parameters: Option<FreeForm>,
}

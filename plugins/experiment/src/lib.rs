//! Bundled phase: experiment. The ConfigMap with the scenarios, and the file that the other phases read it from.

mod document;

use serde_json::{Value, json};
use testbench_plugin_sdk::{
    Contribution, Descriptor, Diagnostic, Failure, Gvk, Input, Mode, NoSettings, Phase, Request,
    export_phase, object_name,
};

/// Object key: the ConfigMap is `<experiment>-experiment`.
const OBJECT: &str = "experiment";
const DATA_KEY: &str = "experiment.json";
/// In the workflow's shared volume, where every phase image looks for it.
const PATH: &str = "/data/datasets/experiment.json";

struct Experiment;

impl Phase for Experiment {
    type Settings = NoSettings;

    fn descriptor() -> Descriptor {
        Descriptor::new("experiment", env!("CARGO_PKG_VERSION"))
            .inputs(&["scenarios", "scoring"])
            .creates(config_map())
    }

    fn generate(request: &Request<NoSettings>) -> Result<Contribution, Failure> {
        match request.input.mode {
            Mode::Inline => inline(&request.input),
            Mode::Dataset => Ok(dataset(&request.input)),
        }
    }
}

export_phase!(Experiment);

/// Mounted by reference: Testkube evaluates `content`, but not what `contentFrom` brings, so the user's text needs no
/// escape.
fn inline(input: &Input) -> Result<Contribution, Failure> {
    let text = document::text(input)?;
    Ok(Contribution::new()
        .object(OBJECT, config_map(), json!({"data": {DATA_KEY: text}}))
        .file_from_config_map(PATH, &object_name(OBJECT), DATA_KEY))
}

/// The setup phase writes the file while the workflow runs, so nothing may be mounted over it; and without the key,
/// what somebody stores under it in the ConfigMap stays.
fn dataset(input: &Input) -> Contribution {
    let contribution = Contribution::new().object(OBJECT, config_map(), placeholder());
    if input.scoring.is_none() {
        return contribution;
    }
    let message = "llmAsAJudgeModel and defaultThreshold have no effect on a dataset from a url or s3, which brings \
                   its own: remove them, or set them in the dataset";
    contribution.diagnostic(Diagnostic::warning("ScoringIgnored", message).at("/input/scoring"))
}

fn placeholder() -> Value {
    let annotations = json!({
        "testbench.agentic-layer.ai/placeholder": "true",
        "testbench.agentic-layer.ai/description":
            "The setup phase fetches the dataset when the workflow runs; it is not stored here.",
    });
    json!({"metadata": {"annotations": annotations}})
}

fn config_map() -> Gvk {
    Gvk::new("v1", "ConfigMap")
}

#[cfg(test)]
mod tests;

//! `$(agent.url)` and the like in the texts of settings.

use testbench_plugin_sdk::{Failure, Input, literal};

/// What `$(name)` may name.
const NAMES: &[&str] = &[
    "agent.name",
    "agent.namespace",
    "agent.url",
    "aiGateway.url",
    "configMapName",
    "experiment.name",
    "experiment.namespace",
    "workflowName",
];

/// `text` with each `$(name)` replaced, as Testkube shows it: nothing in it is evaluated. `$$(` stands for `$(`, as in Kubernetes.
pub(crate) fn resolved(text: &str, input: &Input) -> Result<String, Failure> {
    let mut resolved = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("$(") {
        let (before, reference) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('$') {
            resolved.extend([before, "$("]);
            rest = &reference[2..];
            continue;
        }
        let Some((name, after)) = reference[2..].split_once(')') else {
            break;
        };
        resolved.extend([before, &value(name, input)?]);
        rest = after;
    }
    resolved.push_str(rest);
    Ok(literal(&resolved))
}

fn value(name: &str, input: &Input) -> Result<String, Failure> {
    let value = match name {
        "agent.name" => &input.agent.name,
        "agent.namespace" => &input.agent.namespace,
        "agent.url" => &input.agent.url,
        "aiGateway.url" => match &input.ai_gateway {
            Some(gateway) => &gateway.url,
            None => {
                return Err(Failure::rejected(
                    "NoAiGateway",
                    "the settings name $(aiGateway.url), and the Experiment has no aiGatewayRef; add one, or disable the phase",
                ));
            }
        },
        "configMapName" => &input.config_map_name,
        "experiment.name" => &input.experiment.name,
        "experiment.namespace" => &input.experiment.namespace,
        "workflowName" => &input.workflow_name,
        _ => {
            let names = NAMES.join(", ");
            let message = format!(
                "there is no $({name}); there are {names}; write $$( for a $( that stands for itself"
            );
            return Err(Failure::rejected("UnknownReference", message));
        }
    };
    Ok(value.clone())
}

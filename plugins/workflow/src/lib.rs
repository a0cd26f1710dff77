//! Bundled phase: workflow. The frame around the other phases: environment, telemetry, schedule, concurrency.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use testbench_plugin_sdk::{
    Contribution, Descriptor, Diagnostic, EnvVar, Failure, Input, Otel, Phase, Request,
    export_phase, literal,
};

const OTEL_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

struct Workflow;

#[derive(Deserialize)]
struct Settings {
    /// Templates without steps, included at the top: their steps would come before all others.
    #[serde(default, rename = "use")]
    templates: Vec<String>,
    /// As in a TestWorkflow. Testkube does not evaluate `group`, so it is carried as it is.
    concurrency: Option<Value>,
}

impl Phase for Workflow {
    type Settings = Settings;

    fn descriptor() -> Descriptor {
        Descriptor::new("workflow", env!("CARGO_PKG_VERSION"))
            .settings_schema(include_str!("settings.schema.json"))
            .inputs(&["env", "otel", "schedule", "suspend"])
    }

    fn generate(request: &Request<Settings>) -> Result<Contribution, Failure> {
        let input = &request.input;
        let contribution = environment(Contribution::new(), &input.env);
        let contribution = telemetry(contribution, input);
        let contribution = schedule(contribution, input);
        Ok(frame(contribution, &request.settings))
    }
}

export_phase!(Workflow);

/// The Experiment's variables. Of several with one name Testkube takes the last, so the others are left out.
fn environment(contribution: Contribution, env: &[EnvVar]) -> Contribution {
    let mut repeated = BTreeSet::new();
    let mut contribution = contribution;
    for (index, variable) in env.iter().enumerate() {
        if env[index + 1..]
            .iter()
            .any(|later| later.name == variable.name)
        {
            repeated.insert(variable.name.as_str());
        } else {
            contribution = contribution.env(variable.clone().literal());
        }
    }
    repeated
        .into_iter()
        .fold(contribution, |contribution, name| {
            let message = format!(
                "{name} stands more than once in spec.env: the last counts, remove the others"
            );
            contribution
                .diagnostic(Diagnostic::warning("RepeatedVariable", message).at("/input/env"))
        })
}

fn telemetry(contribution: Contribution, input: &Input) -> Contribution {
    if EnvVar::find(&input.env, OTEL_ENDPOINT).is_some() {
        return contribution;
    }
    match &input.otel {
        Some(Otel::Value(endpoint)) => {
            contribution.env(EnvVar::value(OTEL_ENDPOINT, literal(endpoint)))
        }
        Some(Otel::ConfigMapKeyRef { name, key }) => {
            contribution.env(EnvVar::from_config_map(OTEL_ENDPOINT, name, key))
        }
        None => contribution.info(
            "NoTelemetry",
            "publish will send nothing: for scores in your telemetry set spec.otlpEndpoint, or provide the ConfigMap \
             otel-config with the key OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
    }
}

fn schedule(contribution: Contribution, input: &Input) -> Contribution {
    let Some(schedule) = input.schedule.as_ref().filter(|_| !input.suspend) else {
        return contribution;
    };
    let mut cronjob = json!({"cron": schedule.cron});
    if let Some(timezone) = &schedule.timezone {
        cronjob["timezone"] = json!(timezone);
    }
    contribution.workflow("events", json!([{"cronjob": cronjob}]))
}

fn frame(contribution: Contribution, settings: &Settings) -> Contribution {
    let included = settings
        .templates
        .iter()
        .fold(contribution, |contribution, name| {
            contribution.workflow("use", json!([{"name": name}]))
        });
    match &settings.concurrency {
        Some(concurrency) => included.workflow("concurrency", concurrency.clone()),
        None => included,
    }
}

#[cfg(test)]
mod tests;

//! Bundled phase: evaluate. Scores the agent's answers with a model behind the gateway, or behind the Experiment's own
//! `OPENAI_BASE_URL`.

use testbench_plugin_sdk::template::{self, TemplateSettings};
use testbench_plugin_sdk::{
    Contribution, Descriptor, Diagnostic, EnvVar, Failure, Input, Phase, Request, export_phase,
};

/// The gateway holds the providers' keys, but the client refuses to start without one.
const PLACEHOLDER_KEY: &str = "testbench";
const BASE_PATH: &str = "openAiBasePath";
const API_KEY: &str = "openAiApiKey";

struct Evaluate;

impl Phase for Evaluate {
    type Settings = TemplateSettings;

    fn descriptor() -> Descriptor {
        Descriptor::new("evaluate", env!("CARGO_PKG_VERSION"))
            .settings_schema(template::SETTINGS_SCHEMA)
            .inputs(&["env", "aiGateway"])
    }

    fn generate(request: &Request<TemplateSettings>) -> Result<Contribution, Failure> {
        let Request {
            settings, input, ..
        } = request;
        let contribution =
            Contribution::new().step(settings.step("evaluate-template", model_access(input)));
        Ok(if scores_nothing(input, settings) {
            contribution.diagnostic(nothing_scored())
        } else {
            contribution
        })
    }
}

export_phase!(Evaluate);

/// The template's step env hides variables of the same name, so literals travel as its parameters. What comes from a
/// reference stays in the env: the template falls back to it for each parameter that is empty.
fn model_access(input: &Input) -> Vec<(&'static str, &str)> {
    let own_url = EnvVar::find(&input.env, "OPENAI_BASE_URL");
    let own_key = EnvVar::find(&input.env, "OPENAI_API_KEY");
    let (url, default_key) = match (own_url, &input.ai_gateway) {
        (Some(own), _) => (own.value.as_deref(), None),
        (None, Some(gateway)) => (Some(gateway.url.as_str()), Some(PLACEHOLDER_KEY)),
        (None, None) => return Vec::new(),
    };
    let key = own_key.map_or(default_key, |own| own.value.as_deref());
    let parameters = [(BASE_PATH, url), (API_KEY, key)];
    parameters
        .into_iter()
        .filter_map(|(parameter, value)| Some((parameter, value?)))
        .collect()
}

/// The image scores nothing without a base URL, and its step passes nevertheless.
fn scores_nothing(input: &Input, settings: &TemplateSettings) -> bool {
    let own_url = EnvVar::find(&input.env, "OPENAI_BASE_URL");
    let has_url = match own_url {
        Some(own) => {
            own.value_from.is_some() || own.value.as_ref().is_some_and(|url| !url.is_empty())
        }
        None => input.ai_gateway.is_some(),
    };
    !has_url && !settings.config.contains_key(BASE_PATH)
}

fn nothing_scored() -> Diagnostic {
    let message = "no model to judge with, so nothing will be scored although the run passes: \
                   set spec.aiGatewayRef, or OPENAI_BASE_URL and OPENAI_API_KEY in spec.env";
    Diagnostic::warning("NothingScored", message).at("/input/env")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use testbench_plugin_sdk::testing::generate;

    fn literal(name: &str, value: &str) -> Value {
        json!({"name": name, "value": value})
    }

    fn secret(name: &str) -> Value {
        json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "keys", "key": "openai"}}})
    }

    fn gateway() -> Value {
        json!({"name": "gateway", "namespace": "agents", "url": "http://gateway.agents.svc.cluster.local:80"})
    }

    fn run(settings: Value, env: Vec<Value>, gateway: Option<Value>) -> (Value, bool) {
        let mut input = json!({"env": env});
        if let Some(gateway) = gateway {
            input["aiGateway"] = gateway;
        }
        let output = generate::<Evaluate>(settings, input).unwrap();
        let template = &output["workflow"]["steps"][0]["template"];
        assert_eq!(template["name"], "evaluate-template");
        let warned = output["diagnostics"][0]["code"] == "NothingScored";
        assert_eq!(warned, output.get("diagnostics").is_some());
        (template["config"].clone(), warned)
    }

    #[test]
    fn the_experiments_own_url_beats_the_gateway() {
        let url = || literal("OPENAI_BASE_URL", "https://api.example.com/v1");
        let own = "https://api.example.com/v1";
        let through = "http://gateway.agents.svc.cluster.local:80";
        let with_gateway = json!({"openAiBasePath": through, "openAiApiKey": "testbench"});
        for (case, env, gateway, config) in [
            ("gateway", vec![], Some(gateway()), with_gateway.clone()),
            (
                "other variables",
                vec![literal("A", "1")],
                Some(gateway()),
                with_gateway,
            ),
            (
                "own url",
                vec![url()],
                Some(gateway()),
                json!({"openAiBasePath": own}),
            ),
            (
                "own url from a secret",
                vec![secret("OPENAI_BASE_URL")],
                Some(gateway()),
                Value::Null,
            ),
            (
                "own url and key",
                vec![url(), literal("OPENAI_API_KEY", "k{{x}}")],
                None,
                json!({"openAiBasePath": own, "openAiApiKey": r#"k{{"{{"}}x}}"#}),
            ),
            (
                "own url, key from a secret",
                vec![url(), secret("OPENAI_API_KEY")],
                None,
                json!({"openAiBasePath": own}),
            ),
            (
                "url from a secret, own key",
                vec![secret("OPENAI_BASE_URL"), literal("OPENAI_API_KEY", "k")],
                None,
                json!({"openAiApiKey": "k"}),
            ),
            (
                "gateway, own key",
                vec![literal("OPENAI_API_KEY", "k")],
                Some(gateway()),
                json!({"openAiBasePath": through, "openAiApiKey": "k"}),
            ),
            (
                "gateway, key from a secret",
                vec![secret("OPENAI_API_KEY")],
                Some(gateway()),
                json!({"openAiBasePath": through}),
            ),
            (
                "the last of two counts",
                vec![secret("OPENAI_BASE_URL"), url()],
                None,
                json!({"openAiBasePath": own}),
            ),
        ] {
            assert_eq!(run(json!({}), env, gateway), (config, false), "{case}");
        }
    }

    #[test]
    fn without_a_url_the_user_is_warned() {
        let base = json!({"config": {"openAiBasePath": "http://own"}});
        let own = json!({"openAiBasePath": "http://own"});
        for (case, settings, env, gateway, expected) in [
            ("nothing", json!({}), vec![], None, (Value::Null, true)),
            (
                "key alone",
                json!({}),
                vec![literal("OPENAI_API_KEY", "k")],
                None,
                (Value::Null, true),
            ),
            (
                "empty url",
                json!({}),
                vec![literal("OPENAI_BASE_URL", "")],
                Some(gateway()),
                (json!({"openAiBasePath": ""}), true),
            ),
            ("url in the settings", base, vec![], None, (own, false)),
        ] {
            assert_eq!(run(settings, env, gateway), expected, "{case}");
        }
    }
}

//! A phase that says something in each run. Change it into yours.

use serde::Deserialize;
use testbench_plugin_sdk::{
    Contribution, Descriptor, Diagnostic, Failure, Level, Phase, Request, Step, export_phase,
    literal, log,
};

struct Plugin;

#[derive(Deserialize)]
struct Settings {
    #[serde(default = "done")]
    message: String,
}

fn done() -> String {
    "Done.".to_owned()
}

impl Phase for Plugin {
    type Settings = Settings;

    fn descriptor() -> Descriptor {
        Descriptor::new("my-phase", env!("CARGO_PKG_VERSION")).settings_schema(
            r#"{
                "type": "object",
                "properties": {"message": {"type": "string"}},
                "additionalProperties": false
            }"#,
        )
    }

    fn generate(request: &Request<Settings>) -> Result<Contribution, Failure> {
        let message = &request.settings.message;
        if message.trim().is_empty() {
            let text = "the message is empty; write one, or leave it out";
            let empty = Diagnostic::warning("EmptyMessage", text);
            return Err(Failure::rejected_with(empty.at("/settings/message")));
        }
        // Shown by `testbench plugin test` where a case differs.
        log(Level::Info, &format!("saying {message}"));

        // Text that somebody typed is never part of a script: it travels as a whole argument, and `literal` keeps Testkube
        // from evaluating `{{ … }}` in it.
        let text = format!("{}: {message}", request.input.experiment.name);
        Ok(Contribution::new().step(Step::command("busybox:1.37", &["echo"], &[&literal(&text)])))
    }
}

export_phase!(Plugin);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testbench_plugin_sdk::testing::generate;

    #[test]
    fn the_message_is_said_as_typed() {
        let output = generate::<Plugin>(json!({"message": "{{ 1+1 }}"}), json!({})).unwrap();
        let run = &output["workflow"]["steps"][0]["run"];
        assert_eq!(run["args"], json!([r#"test: {{"{{"}} 1+1 }}"#]));
    }
}

//! Test guest: contributes what its settings say, word for word, past every builder of the SDK. So a case folder can show what the
//! host makes of any contribution.

use serde::Deserialize;
use serde_json::Value;
use testbench_plugin_sdk::bindings::exports::testbench::phase::generator::Guest;
use testbench_plugin_sdk::bindings::testbench::phase::types::{Contribution, Manifest, Request};
use testbench_plugin_sdk::{Descriptor, Diagnostic, Failure, FailureKind, Gvk};

/// The component.
#[derive(Debug)]
pub struct Echo;

#[derive(Deserialize)]
struct Settings {
    workflow: Option<Value>,
    #[serde(default)]
    objects: Vec<Object>,
    failure: Option<Refusal>,
    panic: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    api_version: String,
    kind: String,
    body: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Refusal {
    Rejected(String),
    Waiting(String),
}

impl Guest for Echo {
    fn describe() -> Descriptor {
        Descriptor::new("echo", env!("CARGO_PKG_VERSION"))
            .settings_schema(r#"{"minProperties": 1}"#)
    }

    fn generate(request: Request) -> Result<Contribution, Failure> {
        let Settings {
            workflow,
            objects,
            failure,
            panic,
        } = serde_json::from_str(&request.settings)
            .map_err(|error| Failure::rejected("Settings", error.to_string()))?;
        #[expect(clippy::panic, reason = "what the host makes of a panic is a case too")]
        if let Some(message) = panic {
            panic!("{message}");
        }
        match failure {
            Some(Refusal::Rejected(message)) => Err(Failure::rejected("Echoed", message)),
            Some(Refusal::Waiting(message)) => Err(waiting(message)),
            None => Ok(Contribution {
                workflow: workflow.map(|workflow| workflow.to_string()),
                objects: objects.into_iter().map(manifest).collect(),
                diagnostics: Vec::new(),
                ext: None,
            }),
        }
    }
}

fn manifest(object: Object) -> Manifest {
    Manifest {
        key: object.key,
        kind: Gvk {
            api_version: object.api_version,
            kind: object.kind,
        },
        body: object.body.to_string(),
    }
}

fn waiting(message: String) -> Failure {
    Failure {
        kind: FailureKind::Waiting,
        diagnostics: vec![Diagnostic::info("Echoed", message).at("/settings/failure")],
        ext: None,
    }
}

#[cfg(target_arch = "wasm32")]
testbench_plugin_sdk::bindings::export!(Echo with_types_in testbench_plugin_sdk::bindings);

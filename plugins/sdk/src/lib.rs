//! Write a phase plugin of the testbench in Rust.
//!
//! A phase is a pure function: from an Experiment and its settings to a piece of a Testkube workflow, and perhaps objects of
//! its own. Implement [`Phase`], name the type in [`export_phase!`], build for `wasm32-wasip2`, and the result is a
//! component that the host runs in a sandbox. `testbench plugin new NAME --lang rust` starts a project in which all of this is set
//! up, `testbench plugin test` calls the component as a cluster would.
//!
//! This phase prints a greeting and the number of the run:
//!
//! ```
//! use serde::Deserialize;
//! use testbench_plugin_sdk::{
//!     Contribution, Descriptor, EnvVar, Failure, Phase, Request, Step, export_phase, literal,
//! };
//!
//! struct Greet;
//!
//! #[derive(Deserialize)]
//! struct Settings {
//!     greeting: String,
//! }
//!
//! impl Phase for Greet {
//!     type Settings = Settings;
//!
//!     fn descriptor() -> Descriptor {
//!         Descriptor::new("greet", env!("CARGO_PKG_VERSION")).settings_schema(
//!             r#"{
//!                 "type": "object",
//!                 "required": ["greeting"],
//!                 "properties": {"greeting": {"type": "string"}},
//!                 "additionalProperties": false
//!             }"#,
//!         )
//!     }
//!
//!     fn generate(request: &Request<Settings>) -> Result<Contribution, Failure> {
//!         // The user's text arrives as typed, the plugin's own expression is evaluated by Testkube.
//!         Ok(Contribution::new()
//!             .env(EnvVar::value("GREETING", literal(&request.settings.greeting)))
//!             .env(EnvVar::value("RUN", "{{ execution.number }}"))
//!             .step(Step::shell("busybox:1.37", r#"echo "$GREETING" "$RUN""#)))
//!     }
//! }
//!
//! export_phase!(Greet);
//!
//! // The same code runs natively, so a test is a table of inputs and outputs.
//! use serde_json::json;
//! let output = testbench_plugin_sdk::testing::generate::<Greet>(json!({"greeting": "{{hi}}"}), json!({}))?;
//! assert_eq!(output["workflow"]["container"]["env"][0]["value"], r#"{{"{{"}}hi}}"#);
//! # Ok::<(), Failure>(())
//! ```
//!
//! A plugin asks for what it needs of the Experiment by [`Descriptor::inputs`]; [`Input`] lists what there is. What the
//! user should know goes into a diagnostic ([`Contribution::warning`]); what cannot be served is a [`Failure`].
//!
//! # Text
//!
//! Testkube evaluates `{{ … }}` in every string of a workflow. That is how a plugin uses expressions, and why text that it was
//! given goes through [`literal`]. A shell evaluates its script: text that somebody typed is never part of one, but a whole
//! variable ([`EnvVar`]) or a whole argument ([`Step::command`]). What a file gets from a ConfigMap is evaluated by nobody
//! ([`Contribution::file_from_config_map`]), so that is the way of large text.
//!
//! # Objects
//!
//! An object has a key; its name is the host's ([`object_name`]), as are namespace, owner and labels:
//!
//! ```
//! use serde_json::json;
//! use testbench_plugin_sdk::{Contribution, Gvk, object_name};
//!
//! let data = json!({"data": {"attacks.json": "[]"}});
//! let contribution = Contribution::new()
//!     .object("attacks", Gvk::new("v1", "ConfigMap"), data)
//!     .file_from_config_map("/data/attacks.json", &object_name("attacks"), "attacks.json");
//! assert_eq!(contribution.to_json()["objects"][0]["key"], "attacks");
//! ```
//!
//! # Purity
//!
//! Equal requests give equal bytes: the sandbox has a clock that stands still, the same randomness in every call, and nothing
//! left of the last one. A panic is a trap; what was printed or logged ([`log`]) before it is shown with it.

#[doc(hidden)]
pub mod bindings;
mod component;
mod contract;
mod contribution;
mod env;
mod host;
mod request;
pub mod template;
pub mod testing;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use bindings::testbench::phase::host::Level;
pub use bindings::testbench::phase::types::{
    Descriptor, Diagnostic, Failure, FailureKind, Gvk, Severity,
};
#[doc(hidden)]
pub use component::Component;
pub use contribution::{Contribution, Step};
pub use env::EnvVar;
pub use host::{literal, literal_json, log, object_name};
pub use request::{
    Agent, AiGateway, ConcurrencyPolicy, Dataset, Experiment, Input, Mode, Otel, Request,
    Scenarios, Schedule, Scoring, Trigger,
};

/// One phase. Both functions are pure: equal requests give equal contributions, and every call runs in a fresh sandbox.
pub trait Phase {
    /// What the user may set, valid against the descriptor's schema; [`NoSettings`] where there is nothing.
    type Settings: DeserializeOwned;

    /// Who this plugin is and what it needs: a constant.
    fn descriptor() -> Descriptor;

    /// The phase's piece of the Experiment.
    ///
    /// # Errors
    /// [`Failure::rejected`] for what the user must change, [`Failure::waiting`] for what may come by itself.
    fn generate(request: &Request<Self::Settings>) -> Result<Contribution, Failure>;
}

/// The settings of a phase that has none.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct NoSettings {}

/// Exports a [`Phase`] as the component. Natively it only checks the type, because there is no host to export to.
#[macro_export]
macro_rules! export_phase {
    ($phase:ty) => {
        const _: () = {
            type Exported = $crate::Component<$phase>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
            #[cfg(not(target_arch = "wasm32"))]
            const fn is_phase<P: $crate::Phase>(
                _: ::core::marker::PhantomData<$crate::Component<P>>,
            ) {
            }
            #[cfg(not(target_arch = "wasm32"))]
            is_phase(::core::marker::PhantomData::<Exported>);
        };
    };
}

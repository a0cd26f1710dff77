//! A version of the contract that only tests know, beside the frozen one: that a host can speak two is shown before it has to.
//! `tests/contract/next/phase.wit` says in what it differs.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use self::bindings::testbench::phase::{host, types};
use self::bindings::{PhasePlugin, PhasePluginPre};
use super::{Calling, Guest, Version};
use crate::contract::{Diagnostic, FailureKind, Gvk, LogLevel, Severity, literal};
use crate::said;
use crate::sandbox::State;

pub(super) const VERSION: Version = Version {
    contract: "0.2.0-test",
    generator: "testbench:phase/generator@0.2.0-test",
    imports: &[
        "testbench:phase/types@0.2.0-test",
        "testbench:phase/host@0.2.0-test",
    ],
    link,
    guest,
};

mod bindings {
    #![allow(missing_docs, reason = "generated; the WIT file documents every item")]
    #![allow(clippy::all, reason = "generated")]

    wasmtime::component::bindgen!({
        path: "tests/contract/next",
        world: "phase-plugin",
        imports: { default: trappable },
        exports: { default: async },
    });
}

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    PhasePlugin::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

fn guest(component: InstancePre<State>) -> wasmtime::Result<Arc<dyn Guest>> {
    Ok(Arc::new(PhasePluginPre::new(component)?))
}

impl Guest for PhasePluginPre<State> {
    fn describe<'a>(&'a self, store: &'a mut Store<State>) -> Calling<'a, said::Descriptor> {
        Box::pin(async move {
            let guest = self.instantiate_async(&mut *store).await?;
            let generator = guest.testbench_phase_generator();
            Ok(generator.call_describe(store).await?.into())
        })
    }

    fn generate<'a>(
        &'a self,
        store: &'a mut Store<State>,
        request: said::Request,
    ) -> Calling<'a, said::Answer> {
        Box::pin(async move {
            let guest = self.instantiate_async(&mut *store).await?;
            let generator = guest.testbench_phase_generator();
            let answer = generator.call_generate(store, &request.into()).await?;
            Ok(answer
                .map(said::Contribution::from)
                .map_err(said::Failure::from))
        })
    }
}

impl types::Host for State {}

impl host::Host for State {
    fn log(&mut self, level: host::Level, message: String) -> wasmtime::Result<()> {
        self.add_to_log(level.into(), &message);
        Ok(())
    }

    fn object_name(&mut self, key: String) -> wasmtime::Result<String> {
        self.name_of_object(&key)
    }

    fn as_typed(&mut self, text: String) -> wasmtime::Result<String> {
        Ok(literal(&text))
    }
}

impl From<host::Level> for LogLevel {
    fn from(level: host::Level) -> Self {
        match level {
            host::Level::Debug => Self::Debug,
            host::Level::Info => Self::Info,
            host::Level::Warn => Self::Warn,
            host::Level::Error => Self::Error,
        }
    }
}

impl From<said::Request> for types::Request {
    fn from(request: said::Request) -> Self {
        let said::Request {
            phase,
            namespace,
            settings,
            input,
        } = request;
        Self {
            phase,
            namespace,
            settings,
            input,
        }
    }
}

impl From<types::Gvk> for Gvk {
    fn from(gvk: types::Gvk) -> Self {
        let types::Gvk { api_version, kind } = gvk;
        Self { api_version, kind }
    }
}

impl From<types::Descriptor> for said::Descriptor {
    fn from(descriptor: types::Descriptor) -> Self {
        let types::Descriptor {
            name,
            version,
            settings_schema,
            requires,
            inputs,
            creates,
            ext,
            // Nothing of the host's has room for it.
            summary: _,
        } = descriptor;
        Self {
            name,
            version,
            settings_schema,
            requires,
            inputs,
            creates: creates.into_iter().map(Gvk::from).collect(),
            ext,
        }
    }
}

impl From<types::Contribution> for said::Contribution {
    fn from(contribution: types::Contribution) -> Self {
        let types::Contribution {
            workflow,
            objects,
            diagnostics,
            ext,
        } = contribution;
        Self {
            workflow,
            objects: objects.into_iter().map(said::Manifest::from).collect(),
            diagnostics: diagnostics.into_iter().map(Diagnostic::from).collect(),
            ext,
        }
    }
}

impl From<types::Manifest> for said::Manifest {
    fn from(manifest: types::Manifest) -> Self {
        let types::Manifest { key, kind, body } = manifest;
        Self {
            key,
            kind: kind.into(),
            body,
        }
    }
}

impl From<types::Diagnostic> for Diagnostic {
    fn from(diagnostic: types::Diagnostic) -> Self {
        let types::Diagnostic {
            severity,
            code,
            message,
            path,
        } = diagnostic;
        Self {
            severity: match severity {
                types::Severity::Info => Severity::Info,
                types::Severity::Warning => Severity::Warning,
            },
            code,
            message,
            path,
        }
    }
}

impl From<types::Failure> for said::Failure {
    fn from(failure: types::Failure) -> Self {
        let types::Failure {
            kind,
            diagnostics,
            ext,
        } = failure;
        Self {
            kind: match kind {
                types::FailureKind::Rejected => FailureKind::Rejected,
                types::FailureKind::Pending => FailureKind::Waiting,
            },
            diagnostics: diagnostics.into_iter().map(Diagnostic::from).collect(),
            ext,
        }
    }
}

mod tests {
    use serde_json::json;

    use super::super::{VERSIONS, v0_1};
    use super::*;
    use crate::{Call, Engine, EngineOptions, Limits, Outcome, Plugin, native};

    static BOTH: &[Version] = &[VERSION, v0_1::VERSION];
    const FROZEN: &str = include_str!("../../tests/contract/0.1.wat");
    /// What its author changes in the frozen component, to build it for this version.
    const CHANGES: [(&str, &str); 5] = [
        ("@0.1.0\"", "@0.2.0-test\""),
        (
            r#"(field "ext" (option string))))
    (export "descriptor""#,
            r#"(field "ext" (option string))
      (field "summary" string)))
    (export "descriptor""#,
        ),
        (
            "(func (export \"describe\") (result i32)\n",
            "(func (export \"describe\") (result i32)
      (call $put (i32.const 0x13c) (i32.const 0x1000) (i32.const 6))       ;; summary\n",
        ),
        (
            r#"(enum "rejected" "waiting")"#,
            r#"(enum "rejected" "pending")"#,
        ),
        ("\"literal\"", "\"as-typed\""),
    ];

    fn frozen() -> Vec<u8> {
        wat::parse_str(FROZEN).unwrap()
    }

    fn next() -> Vec<u8> {
        let change = |text: String, (before, after): (&str, &str)| {
            assert!(text.contains(before), "nothing to change: {before}");
            text.replace(before, after)
        };
        let text = CHANGES.into_iter().fold(FROZEN.to_owned(), change);
        wat::parse_str(text).unwrap()
    }

    fn speaking(versions: &'static [Version]) -> Engine {
        Engine::speaking(versions, EngineOptions::default()).unwrap()
    }

    async fn answer(engine: &Engine, plugin: &Plugin, settings: serde_json::Value) -> Outcome {
        let call = Call {
            phase: "run".into(),
            namespace: "demo".into(),
            settings,
            input: json!({"mode": "inline"}),
            object_names: Arc::new(|key| Some(format!("weather-{key}"))),
            holder: "demo".into(),
            limits: Limits::default(),
        };
        engine.generate(plugin, call).await.unwrap()
    }

    #[tokio::test]
    async fn components_of_two_versions_run_side_by_side_and_mean_the_same() {
        let engine = speaking(BOTH);
        let old = engine.load(&frozen()).await.unwrap();
        let new = engine.load(&next()).await.unwrap();
        assert_eq!((old.contract(), new.contract()), ("0.1.0", "0.2.0-test"));
        assert_eq!(old.descriptor(), new.descriptor());
        for settings in [
            json!({}),
            json!({"answer": "rejected"}),
            json!({"answer": "waiting"}),
        ] {
            let (of_old, of_new) = futures::future::join(
                answer(&engine, &old, settings.clone()),
                answer(&engine, &new, settings),
            )
            .await;
            assert_eq!(of_old.result, of_new.result);
            assert_eq!((of_old.log, of_old.written), (of_new.log, of_new.written));
        }
    }

    /// What a component means does not change with what else its host speaks.
    #[tokio::test]
    async fn a_component_of_0_1_is_the_same_on_a_host_that_speaks_more() {
        let (today, tomorrow) = (speaking(VERSIONS), speaking(BOTH));
        let on_today = today.load(&frozen()).await.unwrap();
        let on_tomorrow = tomorrow.load(&frozen()).await.unwrap();
        assert_eq!(format!("{on_today:?}"), format!("{on_tomorrow:?}"));
        let of_today = answer(&today, &on_today, json!({})).await;
        let of_tomorrow = answer(&tomorrow, &on_tomorrow, json!({})).await;
        assert_eq!(of_today.result, of_tomorrow.result);
    }

    #[tokio::test]
    async fn a_host_names_the_versions_that_it_speaks_when_it_refuses_another() {
        let error = speaking(VERSIONS).load(&next()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "it was built for contract 0.2.0-test; this host speaks 0.1.0: build it for what this host speaks, or use a host that speaks 0.2.0-test"
        );
        let later = FROZEN.replace("generator@0.1.0", "generator@0.3.0");
        let later = wat::parse_str(later).unwrap();
        let error = speaking(BOTH).load(&later).await.unwrap_err().to_string();
        assert!(
            error.starts_with(
                "it was built for contract 0.3.0; this host speaks 0.2.0-test, 0.1.0:"
            ),
            "{error}"
        );
    }

    /// A component gets the host functions of its own version, also where the host has others.
    #[tokio::test]
    async fn versions_do_not_mix_in_one_component() {
        let mixed = FROZEN.replace("phase/host@0.1.0", "phase/host@0.2.0-test");
        let mixed = wat::parse_str(mixed.replace("\"literal\"", "\"as-typed\"")).unwrap();
        let error = speaking(BOTH).load(&mixed).await.unwrap_err().to_string();
        assert!(
            error.contains("imports `testbench:phase/host@0.2.0-test`")
                && error.contains("it was built for contract 0.1.0"),
            "{error}"
        );
    }

    /// Caches of native code outlive an update of the host that brings a version.
    #[tokio::test]
    async fn native_code_made_by_a_host_of_one_version_is_good_on_a_host_of_two() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("native");
        std::fs::write(&file, native::compile(&frozen()).unwrap()).unwrap();
        let engine = speaking(BOTH);
        assert_eq!(engine.native_key(), speaking(VERSIONS).native_key());
        let ahead = engine.load_native("sha256:00", frozen().len(), &file).await;
        let outcome = answer(&engine, &ahead.unwrap(), json!({})).await;
        assert!(outcome.result.is_ok());
    }

    /// 0.1 on a later host, which has added a function, in an interface of its own.
    static GROWN: &[Version] = &[Version {
        imports: &[
            "testbench:phase/types@0.1.0",
            "testbench:phase/host@0.1.0",
            ADDED,
        ],
        link: |linker| {
            (v0_1::VERSION.link)(linker)?;
            linker.instance(ADDED)?.func_wrap("f", |_, ()| Ok(()))
        },
        ..v0_1::VERSION
    }];
    const ADDED: &str = "testbench:phase/added@0.1.0";

    #[tokio::test]
    async fn a_version_grows_by_an_interface_and_old_components_do_not_notice() {
        let engine = speaking(GROWN);
        let importing = format!(r#"(component (import "{ADDED}" (instance (export "f" (func))))"#);
        let needs_it = FROZEN.replacen("(component", &importing, 1);
        for text in [FROZEN, &needs_it] {
            let plugin = engine.load(&wat::parse_str(text).unwrap()).await.unwrap();
            assert_eq!(plugin.contract(), "0.1.0");
            assert!(answer(&engine, &plugin, json!({})).await.result.is_ok());
        }
    }
}

//! Version 0.1.0 of the contract.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use self::bindings::testbench::phase::{host, types};
use self::bindings::{PhasePlugin, PhasePluginPre};
use super::{Calling, Guest, Version};
use crate::contract::{Diagnostic, FailureKind, Gvk, LogLevel, Severity, literal};
use crate::said;
use crate::sandbox::State;

/// The version of the contract that authors build for today.
pub const CONTRACT: &str = "0.1.0";
/// The export of a component that was built for it.
pub const GENERATOR: &str = "testbench:phase/generator@0.1.0";

pub(super) const VERSION: Version = Version {
    contract: CONTRACT,
    generator: GENERATOR,
    imports: &["testbench:phase/types@0.1.0", "testbench:phase/host@0.1.0"],
    link,
    guest,
};

mod bindings {
    #![allow(missing_docs, reason = "generated; the WIT file documents every item")]
    #![allow(clippy::all, reason = "generated")]

    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
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

    fn literal(&mut self, text: String) -> wasmtime::Result<String> {
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
                types::FailureKind::Waiting => FailureKind::Waiting,
            },
            diagnostics: diagnostics.into_iter().map(Diagnostic::from).collect(),
            ext,
        }
    }
}

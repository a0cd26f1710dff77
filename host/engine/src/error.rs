//! What can go wrong, apart from what a plugin says itself.

use std::time::Duration;

use crate::limits::Limits;
use crate::text::clean;
use crate::versions::named_by;

/// What a message quotes of a component's exports: it may have any number.
const MAX_FOUND: usize = 256;

/// The engine cannot be made on this machine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses its configuration.
    #[error("failed to set up the WebAssembly engine: {0}")]
    Wasmtime(String),
    /// No threads to run guests on, or no thread for the clock that interrupts them.
    #[error("failed to start the threads that run plugins")]
    Threads(#[source] std::io::Error),
}

/// Why bytes are no plugin that this host runs.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Something else than a component.
    #[error(
        "expected a WebAssembly component, found {found}; build for wasm32-wasip2, or wrap the module with `wasm-tools component new`"
    )]
    NotAComponent {
        /// What it looks like.
        found: &'static str,
    },
    /// A component that does not compile.
    #[error("failed to compile the component: {0}")]
    Compile(String),
    /// An import that no plugin gets.
    #[error("the component imports `{import}`, which no plugin gets; {advice}")]
    Import {
        /// The interface.
        import: String,
        /// What to do.
        advice: String,
    },
    /// A component of another world, or of another version of the contract.
    #[error("{}", mismatch(expected, exports))]
    Export {
        /// What this host calls, one a version of the contract.
        expected: Vec<&'static str>,
        /// What there is.
        exports: Vec<String>,
    },
    /// The component does not say who it is.
    #[error("failed to call `describe`")]
    Describe(#[source] CallError),
    /// The descriptor breaks the contract.
    #[error("the descriptor's `{field}` {why}")]
    Descriptor {
        /// Where.
        field: &'static str,
        /// What was expected, and what found.
        why: String,
    },
}

/// Two different mistakes: a component that is no plugin, and a plugin of a version that this host does not speak.
fn mismatch(expected: &[&'static str], exports: &[String]) -> String {
    let built_for: Vec<_> = exports.iter().filter_map(|name| named_by(name)).collect();
    if built_for.is_empty() {
        let (expected, found) = (expected.join("` or `"), quoted(exports));
        return format!(
            "expected an export of `{expected}`, found {found}; build it for the world `phase-plugin` of the contract"
        );
    }
    let built_for = clean(&built_for.join(", "), MAX_FOUND);
    let spoken: Vec<_> = expected.iter().filter_map(|name| named_by(name)).collect();
    let spoken = spoken.join(", ");
    format!(
        "it was built for contract {built_for}; this host speaks {spoken}: build it for what this host speaks, or use a host that \
         speaks {built_for}"
    )
}

fn quoted(exports: &[String]) -> String {
    if exports.is_empty() {
        "no export at all".to_owned()
    } else {
        clean(&format!("`{}`", exports.join("`, `")), MAX_FOUND)
    }
}

/// Why a call gave no answer. Nothing of it is left: the next call starts afresh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It computed too long.
    #[error("the plugin computed for longer than its CPU limit of {} ms{}", limit.as_millis(), tail(stderr))]
    CpuLimit {
        /// The limit.
        limit: Duration,
        /// The end of what it wrote to standard output and error, and logged.
        stderr: String,
    },
    /// It took too long, whatever it did.
    #[error("the plugin took longer than its wall-clock limit of {} ms{}", limit.as_millis(), tail(stderr))]
    WallLimit {
        /// The limit.
        limit: Duration,
        /// The end of what it wrote to standard output and error, and logged.
        stderr: String,
    },
    /// It wanted too much memory.
    #[error("the plugin wanted more than its memory limit of {} KiB{}", limit >> 10, tail(stderr))]
    MemoryLimit {
        /// The limit, in bytes.
        limit: usize,
        /// The end of what it wrote to standard output and error, and logged.
        stderr: String,
    },
    /// It answered too much.
    #[error("the plugin's answer is larger than its output limit of {} KiB{}", limit >> 10, tail(stderr))]
    OutputLimit {
        /// The limit, in bytes.
        limit: usize,
        /// The end of what it wrote to standard output and error, and logged.
        stderr: String,
    },
    /// Its answer breaks the contract.
    #[error(
        "the plugin's answer breaks the contract: `{at}` {why}{}",
        tail(stderr)
    )]
    InvalidOutput {
        /// Which part of the answer.
        at: String,
        /// What was expected, and what found.
        why: String,
        /// The end of what it wrote to standard output and error, and logged.
        stderr: String,
    },
    /// It trapped: a defect of the plugin.
    #[error("the plugin trapped: {cause}{}", tail(stderr))]
    Trap {
        /// What wasmtime says.
        cause: String,
        /// The end of what it wrote to standard output and error, and logged.
        stderr: String,
    },
    /// The host failed, not the plugin.
    #[error("the host failed to run the plugin: {0}")]
    Host(String),
}

fn tail(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!("; it wrote: {stderr}")
    }
}

impl CallError {
    /// The variant's name: constant, for metrics and conditions.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::CpuLimit { .. } => "CpuLimit",
            Self::WallLimit { .. } => "WallLimit",
            Self::MemoryLimit { .. } => "MemoryLimit",
            Self::OutputLimit { .. } => "OutputLimit",
            Self::InvalidOutput { .. } => "InvalidOutput",
            Self::Trap { .. } => "Trap",
            Self::Host(_) => "Host",
        }
    }

    /// Whether an equal call would end the same way: a defect of the plugin, and not a busy machine or a broken host.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::CpuLimit { .. } | Self::WallLimit { .. } | Self::Host(_) => false,
            Self::MemoryLimit { .. }
            | Self::OutputLimit { .. }
            | Self::InvalidOutput { .. }
            | Self::Trap { .. } => true,
        }
    }

    pub(crate) fn invalid(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self::InvalidOutput {
            at: at.into(),
            why: why.into(),
            stderr: String::new(),
        }
    }

    /// With what the plugin wrote, where its answer is what is wrong.
    pub(crate) fn with_written(mut self, written: &str) -> Self {
        if let Self::OutputLimit { stderr, .. } | Self::InvalidOutput { stderr, .. } = &mut self {
            written.clone_into(stderr);
        }
        self
    }

    /// What `error`, raised while a guest ran under `limits`, means.
    pub(crate) fn from_wasmtime(error: &wasmtime::Error, limits: &Limits, stderr: String) -> Self {
        use crate::limits::{CpuLimitReached, MemoryLimitReached};
        if error.downcast_ref::<CpuLimitReached>().is_some() {
            return Self::CpuLimit {
                limit: limits.cpu,
                stderr,
            };
        }
        if error.downcast_ref::<MemoryLimitReached>().is_some() {
            return Self::MemoryLimit {
                limit: limits.memory,
                stderr,
            };
        }
        let cause = error.root_cause().to_string();
        // The error's type is private to wasmtime, so its text has to do; a test holds it.
        if cause.contains("fuel allocated for hostcalls has been exhausted") {
            return Self::OutputLimit {
                limit: limits.output,
                stderr,
            };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::Trap {
                cause: format!("it exited with code {}", exit.0),
                stderr,
            };
        }
        Self::Trap { cause, stderr }
    }
}

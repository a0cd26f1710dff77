//! Case folders for phase plugins, for whoever writes one: on the same engine, under the same limits and rules as in a cluster, and
//! without one.
//!
//! There are two kinds. [`Cases`] renders whole Experiments: `input.yaml`, a file exactly as for `testbench render -f`, gives the
//! objects that a cluster would get, and a `config.yaml` beside it is what the administrator allows. [`RequestCases`] calls one plugin alone: `request.yaml` gives its contribution. Both find in the
//! folder either `expected.yaml`, the whole output, or `error.txt`, why there is none, and say what differs. With [`Mode::Bless`] they
//! write what they found instead.
//!
//! `testbench plugin test` runs the second kind; [`check_plugin`] is the same for a plugin's own `cargo test`.

mod experiments;
mod folder;
mod requests;

use std::fmt;
use std::io;
use std::path::PathBuf;

use testbench_core::admission::SchemaError;
use testbench_core::config::ConfigError;
use testbench_core::slots::RegisterError;
use testbench_core::yaml::YamlError;
use testbench_engine::{EngineError, LoadError};

pub use self::experiments::Cases;
pub use self::requests::{RequestCases, check_plugin, load, read_request};

/// What to do with what a case gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Compare it with what is in the folder.
    Check,
    /// Write it into the folder.
    Bless,
}

impl Mode {
    /// [`Mode::Bless`] where the environment variable `BLESS` is set.
    #[must_use]
    pub fn from_env() -> Self {
        if std::env::var_os("BLESS").is_some() {
            Self::Bless
        } else {
            Self::Check
        }
    }
}

/// Why cases could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file or folder that cannot be read or written.
    #[error("failed to access {path}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No case at all, which no test should call a success.
    #[error("expected at least one folder with {input} below {root}, found none")]
    None {
        /// Where they were looked for.
        root: PathBuf,
        /// The file that makes a folder a case.
        input: &'static str,
    },
    /// A request that nobody can read.
    #[error("failed to read {path}: {why}")]
    Request {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A `config.yaml` that is none.
    #[error("failed to read {path}")]
    Config {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ConfigError,
    },
    /// No engine on this machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A component that is no plugin.
    #[error("failed to load {path}")]
    Load {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: LoadError,
    },
    /// A plugin that no host can serve.
    #[error("failed to use {path}")]
    Register {
        /// Its file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: RegisterError,
    },
    /// The API's own schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Output that cannot be written as YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

/// What a case gave, where that is not what its folder says.
#[derive(Debug)]
pub struct Mismatch {
    /// The case.
    pub folder: PathBuf,
    /// What differs, for a person.
    pub difference: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:\n{}", self.folder.display(), self.difference)
    }
}

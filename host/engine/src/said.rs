//! What is said to a plugin and what it says, in whichever version of the contract: texts that nobody has checked yet.
//! [`crate::load`] and [`crate::output`] make of it what [`crate::contract`] holds.

use crate::contract::{Diagnostic, FailureKind, Gvk};

/// What a plugin is asked.
pub(crate) struct Request {
    pub(crate) phase: String,
    pub(crate) namespace: String,
    pub(crate) settings: String,
    pub(crate) input: String,
}

/// What a plugin says of itself.
pub(crate) struct Descriptor {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) settings_schema: String,
    pub(crate) requires: Vec<String>,
    pub(crate) inputs: Vec<String>,
    pub(crate) creates: Vec<Gvk>,
    pub(crate) ext: Option<String>,
}

/// What a plugin answers.
pub(crate) type Answer = Result<Contribution, Failure>;

pub(crate) struct Contribution {
    pub(crate) workflow: Option<String>,
    pub(crate) objects: Vec<Manifest>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) ext: Option<String>,
}

pub(crate) struct Manifest {
    pub(crate) key: String,
    pub(crate) kind: Gvk,
    pub(crate) body: String,
}

pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) ext: Option<String>,
}

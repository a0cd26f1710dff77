//! Runs phase plugins: WebAssembly components behind the world of `wit/`, in a sandbox without files, network, environment, clock
//! or randomness, under explicit limits. A façade over wasmtime: no type of it, and nothing of Kubernetes, goes out.
//!
//! [`Engine::load`] makes a [`Plugin`] of bytes; [`Engine::generate`] calls it. Each call runs in a fresh instance on threads that
//! belong to guests alone, so a plugin that spins, traps or floods harms nobody else.

mod call;
mod contract;
mod engine;
mod error;
pub mod json;
mod limits;
mod load;
pub mod native;
mod numbers;
mod output;
mod permits;
mod said;
mod sandbox;
mod text;
mod versions;

pub use self::call::{Call, Cost, Outcome};
pub use self::contract::{
    Contribution, Descriptor, Diagnostic, Failure, FailureKind, Gvk, LogLevel, LogLine, Manifest,
    Severity, is_object_key, literal,
};
pub use self::engine::{Allocation, Engine, EngineOptions};
pub use self::error::{CallError, EngineError, LoadError};
pub use self::limits::{Limits, TICK};
pub use self::load::{POWERLESS, Plugin, digest};
pub use self::numbers::contract_numbers;
pub use self::sandbox::ObjectNames;
pub use self::versions::{CONTRACT, GENERATOR, generators};

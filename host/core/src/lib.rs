//! From an Experiment to the objects that it wants: the operator's logic, without a Kubernetes client.
//!
//! The modules are the way of the data: [`resolve`], [`validate`], [`slots`], [`invoke`], [`compose`], [`templates`]; [`pipeline`] is
//! their table of contents, and [`render`] runs them over files, after [`admission`] has judged an Experiment as the API server does.

pub mod admission;
pub mod alone;
pub mod compose;
pub mod config;
pub mod error;
pub mod experiment;
pub mod finding;
pub mod invoke;
mod path;
pub mod pipeline;
pub mod placement;
#[cfg(test)]
mod properties;
pub mod render;
pub mod resolve;
pub mod slots;
pub mod templates;
pub mod validate;
mod violation;
pub mod yaml;

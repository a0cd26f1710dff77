//! What only a real control plane can show. Its programs come from `make control-plane`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

mod control_plane;
mod experiments;
#[cfg(target_os = "linux")]
mod killed;
mod kubectl;
mod operator;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use testbench_tests::control_plane::ControlPlane;

/// Long enough for a machine that compiles on all its cores meanwhile.
const LIMIT: Duration = Duration::from_secs(60);

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_control-plane"))
}

/// The one that the tests of this binary share.
fn shared() -> &'static ControlPlane {
    ControlPlane::shared(binary()).unwrap_or_else(|error| panic!("{error}"))
}

/// With numbers that compare by value: one writes 2^63 with all its digits, another with an exponent.
fn by_value(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => json!(number.as_f64()),
        Value::Array(entries) => entries.into_iter().map(by_value).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, field)| (key, by_value(field)))
            .collect(),
        other => other,
    }
}

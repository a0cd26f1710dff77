//! Components that only tests run, as bytes.

/// Contributes what its settings say, word for word: `workflow`, `objects`, a `failure` or a `panic`.
pub const ECHO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/testbench-guest-echo.wasm"));

/// The example of a custom phase in Rust, `plugins/examples/red-team`.
pub const RED_TEAM: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/testbench-example-red-team.wasm"));

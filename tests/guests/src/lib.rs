//! Components that only tests run, as bytes.

/// Contributes what its settings say, word for word: `workflow`, `objects`, a `failure` or a `panic`.
pub const ECHO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/testbench-guest-echo.wasm"));

/// Tries everything that a plugin must not be able to do, and answers with what came of it.
pub const PRYING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/testbench-guest-prying.wasm"));

/// The example of a custom phase in Rust, `plugins/examples/red-team`.
pub const RED_TEAM: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/testbench-example-red-team.wasm"));

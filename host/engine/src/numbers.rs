//! The numbers of the contract, collected from where each is enforced.

use std::time::Duration;

use crate::EngineOptions;
use crate::call::ANSWER_OVERHEAD;
use crate::contract::MAX_KEY;
use crate::engine::MAX_WASM_STACK;
use crate::json::JsonLimits;
use crate::limits::{Limits, MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES, TICK};
use crate::load::{MAX_LIST, MAX_NAME, MAX_SCHEMA, MAX_VERSION};
use crate::output::{MAX_CODE, MAX_DIAGNOSTICS, MAX_MESSAGE, MAX_OBJECTS, MAX_POINTER};
use crate::permits::share;
use crate::sandbox::{
    CLOCK_STEP, MAX_LOG_LINE, MAX_LOG_LINES, MAX_RANDOM, MAX_RESOURCES, STDERR_TAIL, WALL_CLOCK,
};

/// Every number that a plugin's author can run into, under the name that `docs/contract.md` gives it: bytes, milliseconds, or
/// a count.
#[must_use]
pub fn contract_numbers() -> Vec<(&'static str, u64)> {
    let Limits {
        cpu,
        wall,
        memory,
        output,
    } = Limits::default();
    let JsonLimits { depth, nodes } = JsonLimits::default();
    let guests = EngineOptions::default().guests as usize;
    let counts = [
        ("memory", memory),
        ("answer", output),
        ("host call", output + ANSWER_OVERHEAD),
        ("JSON depth", depth),
        ("JSON values", nodes),
        ("objects", MAX_OBJECTS),
        ("object key", MAX_KEY),
        ("diagnostics", MAX_DIAGNOSTICS),
        ("diagnostic code", MAX_CODE),
        ("diagnostic message", MAX_MESSAGE),
        ("diagnostic path", MAX_POINTER),
        ("log lines", MAX_LOG_LINES),
        ("log line", MAX_LOG_LINE),
        ("standard error", STDERR_TAIL),
        ("settings schema", MAX_SCHEMA),
        ("plugin name", MAX_NAME),
        ("plugin version", MAX_VERSION),
        ("inputs", MAX_LIST),
        ("creates", MAX_LIST),
        ("stack", MAX_WASM_STACK),
        ("memories", MAX_MEMORIES),
        ("tables", MAX_TABLES),
        ("table elements", MAX_TABLE_ELEMENTS),
        ("core instances", MAX_INSTANCES),
        ("resources", MAX_RESOURCES),
        ("guests", guests),
        ("share", share(guests)),
    ];
    let counts = counts
        .into_iter()
        .map(|(name, count)| (name, u64::try_from(count).unwrap_or(u64::MAX)));
    let times = [
        ("CPU time", cpu),
        ("CPU tick", TICK),
        ("wall time", wall),
        ("wall clock", WALL_CLOCK),
        ("clock step", Duration::from_nanos(CLOCK_STEP)),
    ];
    let times = times
        .into_iter()
        .map(|(name, time)| (name, u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
    times
        .chain(counts)
        .chain([("random bytes", MAX_RANDOM)])
        .collect()
}

//! What one call may cost.

use std::time::Duration;

use wasmtime::{Error, ResourceLimiter};

/// What one call of a plugin may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time that the guest computes, in steps of [`TICK`].
    pub cpu: Duration,
    /// Time from start to end, waiting and the host's own work included.
    pub wall: Duration,
    /// Bytes of memories and tables, summed over everything that the call instantiates.
    pub memory: usize,
    /// Bytes of the whole answer.
    pub output: usize,
}

/// Resolution of the CPU limit, and the longest time that a guest keeps a thread from another.
pub const TICK: Duration = Duration::from_millis(10);

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(200),
            wall: Duration::from_secs(5),
            memory: 64 << 20,
            output: 2 << 20,
        }
    }
}

impl Limits {
    pub(crate) fn cpu_ticks(&self) -> u64 {
        u64::try_from(self.cpu.as_millis().div_ceil(TICK.as_millis()))
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

/// Most elements of one table; runtimes of other languages need more than 8,000.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 65_536;
/// Memories, tables and core instances of one call; runtimes of other languages bring several modules.
pub(crate) const MAX_MEMORIES: usize = 8;
pub(crate) const MAX_TABLES: usize = 16;
/// A Python component with stubs in place of WASI has 38.
pub(crate) const MAX_INSTANCES: usize = 64;

/// The memory limit was reached. Raised as an error so that it ends the call: a guest that only sees `memory.grow` fail traps
/// somewhere else, and looks guilty of something else.
#[derive(Debug, thiserror::Error)]
#[error("memory limit reached")]
pub(crate) struct MemoryLimitReached;

/// The CPU limit was reached.
#[derive(Debug, thiserror::Error)]
#[error("CPU limit reached")]
pub(crate) struct CpuLimitReached;

/// Sums memories and tables over the whole Store. (`StoreLimits` would count each for itself.)
#[derive(Debug)]
pub(crate) struct MemorySum {
    left: usize,
}

impl MemorySum {
    pub(crate) fn new(limit: usize) -> Self {
        Self { left: limit }
    }

    /// Bytes that may still be taken.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    fn take(&mut self, bytes: usize) -> Result<bool, Error> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| Error::from(MemoryLimitReached))?;
        Ok(true)
    }
}

impl ResourceLimiter for MemorySum {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, Error> {
        self.take(desired.saturating_sub(current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, Error> {
        if desired > MAX_TABLE_ELEMENTS {
            return Err(MemoryLimitReached.into());
        }
        self.take(
            desired
                .saturating_sub(current)
                .saturating_mul(size_of::<usize>()),
        )
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

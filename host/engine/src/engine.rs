//! The one constructor that ties wasmtime's engine, the clock that interrupts guests, the threads that they run on, and the
//! permits to do so: none of them can be forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::runtime::{Handle, Runtime};
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::EngineError;
use crate::limits::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES, TICK};
use crate::permits::Permits;
use crate::sandbox::{self, State};
use crate::versions::{VERSIONS, Version};

/// Stack of a guest's own calls. Deeper recursion is a trap.
pub(crate) const MAX_WASM_STACK: usize = 512 << 10;
/// Stack of a call, with the host functions that the guest calls.
const ASYNC_STACK: usize = 2 << 20;
/// Memory that a pool slot keeps for the next call instead of giving it back to the system.
const KEEP_RESIDENT: usize = 512 << 10;
/// The largest memory of one guest; a smaller [`crate::Limits::memory`] trips first.
const MAX_MEMORY: usize = 512 << 20;

/// Size of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Threads that run guests. One core is left to everything else.
    pub guest_threads: usize,
    /// Guests that exist at the same time.
    pub guests: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            guest_threads: cores.saturating_sub(1).max(1),
            guests: 32,
        }
    }
}

/// How guests get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From slots that are reserved once: fast, and on all cores.
    Pooling,
    /// From the system, for each call: where the system does not give as much address space.
    OnDemand,
}

/// Runs plugins. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) versions: &'static [Version],
    pub(crate) permits: Permits,
    pub(crate) calls: AtomicU64,
    allocation: Allocation,
    threads: GuestThreads,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("allocation", &self.inner.allocation)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// # Errors
    ///
    /// Where the machine gives no threads, or wasmtime refuses the configuration.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        Self::speaking(VERSIONS, options)
    }

    /// One that takes components of these versions of the contract.
    pub(crate) fn speaking(
        versions: &'static [Version],
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let (wasmtime, allocation) = wasmtime_engine(options.guests)?;
        let linker = sandbox::linker(&wasmtime, versions)
            .map_err(|error| EngineError::Wasmtime(format!("{error:#}")))?;
        let threads = GuestThreads::start(options.guest_threads)?;
        start_ticker(&wasmtime)?;
        let permits = Permits::new(options.guests as usize);
        Ok(Self {
            inner: Arc::new(Inner {
                wasmtime,
                linker,
                versions,
                permits,
                calls: AtomicU64::new(0),
                allocation,
                threads,
            }),
        })
    }

    /// How guests get their memory.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.inner.allocation
    }

    /// How often plugins were called since it was made, `describe` included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// Where guests run, and components compile: never on the caller's threads.
    pub(crate) fn threads(&self) -> &Handle {
        &self.threads.handle
    }
}

/// Threads of their own for guests.
struct GuestThreads {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl GuestThreads {
    fn start(count: usize) -> Result<Self, EngineError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count.max(1))
            .thread_name("guest")
            .enable_time()
            .build()
            .map_err(EngineError::Threads)?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for GuestThreads {
    /// The last clone may go in asynchronous code, where waiting for a runtime's end would panic.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn wasmtime_engine(guests: u32) -> Result<(wasmtime::Engine, Allocation), EngineError> {
    let pooling = InstanceAllocationStrategy::Pooling(pool(guests));
    let with = |strategy| wasmtime::Engine::new(&config(strategy));
    match with(pooling) {
        Ok(engine) => Ok((engine, Allocation::Pooling)),
        // Too little address space for the pool, most likely. What is wrong with the rest shows again.
        Err(_) => with(InstanceAllocationStrategy::OnDemand)
            .map(|engine| (engine, Allocation::OnDemand))
            .map_err(|error| EngineError::Wasmtime(format!("{error:#}"))),
    }
}

pub(crate) fn config(strategy: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        // Equal requests give equal bytes, on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .allocation_strategy(strategy);
    config
}

fn pool(guests: u32) -> PoolingAllocationConfig {
    let each = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let all = |count: usize| guests.saturating_mul(each(count));
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(guests)
        .total_stacks(guests)
        .max_core_instances_per_component(each(MAX_INSTANCES))
        .total_core_instances(all(MAX_INSTANCES))
        .max_memories_per_component(each(MAX_MEMORIES))
        .max_memories_per_module(each(MAX_MEMORIES))
        .total_memories(all(MAX_MEMORIES))
        .max_memory_size(MAX_MEMORY)
        .max_tables_per_component(each(MAX_TABLES))
        .max_tables_per_module(each(MAX_TABLES))
        .total_tables(all(MAX_TABLES))
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Moves the epoch on, so that guests yield and their time is counted, until the engine is gone.
fn start_ticker(engine: &wasmtime::Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new()
        .name("guest-ticker".into())
        .spawn(tick)
        .map_err(EngineError::Threads)?;
    Ok(())
}

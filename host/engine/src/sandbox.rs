//! What a guest sees of the world: nothing, or constants. Two runs of the same guest see the same.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::contract::{LogLevel, LogLine};
use crate::limits::MemorySum;
use crate::text::clean;
use crate::versions::Version;

/// Gives names to a plugin's objects; `None` for a key that is not allowed.
pub type ObjectNames = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Open resources of one call: streams, pollables.
pub(crate) const MAX_RESOURCES: usize = 1024;
/// Bytes of one answer of a random source.
pub(crate) const MAX_RANDOM: u64 = 64 << 10;
/// What the guest's wall clock always says: the first second of 2024.
pub(crate) const WALL_CLOCK: Duration = Duration::from_secs(1_704_067_200);
/// Step of the monotonic clock at each reading, so that a busy wait ends.
pub(crate) const CLOCK_STEP: u64 = 1_000_000;
/// What is kept of what the guest wrote and logged, from its end.
pub(crate) const STDERR_TAIL: usize = 4 << 10;
pub(crate) const MAX_LOG_LINES: usize = 64;
pub(crate) const MAX_LOG_LINE: usize = 1 << 10;

/// Everything that belongs to one call, and dies with it.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    written: Tail,
    object_names: ObjectNames,
    pub(crate) memory: MemorySum,
    pub(crate) log: Log,
    clock: SteppingClock,
}

/// The first lines that a guest logged.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) dropped: u64,
}

impl State {
    pub(crate) fn new(memory: usize, object_names: ObjectNames) -> Self {
        let written = Tail::default();
        let clock = SteppingClock::default();
        let wasi = WasiCtx::builder()
            .stdout(written.clone())
            .stderr(written.clone())
            .secure_random(ChaCha8Rng::seed_from_u64(1))
            .insecure_random(ChaCha8Rng::seed_from_u64(2))
            .insecure_random_seed(3)
            .max_random_size(MAX_RANDOM)
            .wall_clock(FixedClock)
            .monotonic_clock(clock.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            wasi,
            table,
            written,
            object_names,
            memory: MemorySum::new(memory),
            log: Log::default(),
            clock,
        }
    }

    /// The end of what the guest wrote to standard output and error, and logged.
    pub(crate) fn written(&self) -> String {
        self.written.text()
    }
}

/// Everything that a plugin of one of these versions may import.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
    versions: &[Version],
) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // Over WASI's own: its `subscribe-duration` sleeps in real time, whatever the clock says.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    linker.allow_shadowing(false);
    for version in versions {
        (version.link)(&mut linker)?;
    }
    Ok(linker)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// What the host functions of all versions do.
impl State {
    pub(crate) fn add_to_log(&mut self, level: LogLevel, message: &str) {
        let message = clean(message, MAX_LOG_LINE);
        // The last words before a trap, in whichever way they were said.
        self.written.push(format!("{message}\n").as_bytes());
        if self.log.lines.len() == MAX_LOG_LINES {
            self.log.dropped += 1;
            return;
        }
        self.log.lines.push(LogLine { level, message });
    }

    pub(crate) fn name_of_object(&self, key: &str) -> wasmtime::Result<String> {
        (self.object_names)(key).ok_or_else(|| {
            let key = clean(key, 64);
            wasmtime::format_err!(
                "object-name: expected a key of 1 to 20 of a-z and 0-9, found `{key}`"
            )
        })
    }
}

/// A clock that stands still.
struct FixedClock;

impl HostWallClock for FixedClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        WALL_CLOCK
    }
}

/// A clock that moves by being read, and by being waited for.
#[derive(Clone, Default)]
struct SteppingClock(Arc<AtomicU64>);

impl SteppingClock {
    fn advance(&self, nanoseconds: u64) {
        let step = |now: u64| Some(now.saturating_add(nanoseconds));
        // The closure always gives a value, so this cannot fail.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }
}

impl HostMonotonicClock for SteppingClock {
    fn resolution(&self) -> u64 {
        CLOCK_STEP
    }

    fn now(&self) -> u64 {
        self.advance(CLOCK_STEP);
        self.0.load(Ordering::Relaxed)
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::now(&self.clock))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::resolution(&self.clock))
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.clock.0.fetch_max(when, Ordering::Relaxed);
        self.ready()
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.clock.advance(duration);
        self.ready()
    }
}

impl State {
    fn ready(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let resource = self.table.push(AlwaysReady)?;
        subscribe(&mut self.table, resource)
    }
}

/// A wait that is over as it starts.
struct AlwaysReady;

// Spelt out as the trait's macro would: one future that is ready needs no dependency.
impl Pollable for AlwaysReady {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}

/// Keeps the end of what is written to it, and never refuses.
#[derive(Debug, Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        // A panic while it was locked leaves bytes, which is all it ever holds.
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(STDERR_TAIL)..];
        let excess = (tail.len() + bytes.len()).saturating_sub(STDERR_TAIL);
        tail.drain(..excess);
        tail.extend(bytes);
    }

    fn text(&self) -> String {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(tail.make_contiguous());
        text.chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect::<String>()
            .trim()
            .to_owned()
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Tail {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! One call of a plugin: a fresh Store on the guests' own threads, under limits, and gone afterwards whatever happened.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use wasmtime::{Store, UpdateDeadline};

use crate::contract::{Contribution, Failure, LogLine};
use crate::engine::Engine;
use crate::error::CallError;
use crate::limits::{CpuLimitReached, Limits};
use crate::load::Plugin;
use crate::output;
use crate::permits::Permit;
use crate::said;
use crate::sandbox::{Log, ObjectNames, State};
use crate::versions::{Calling, Guest};

/// Room for what an answer holds beside its texts: its lists and records.
pub(crate) const ANSWER_OVERHEAD: usize = 64 << 10;

/// What one call needs.
#[derive(Clone)]
pub struct Call {
    /// The slot under which the plugin runs.
    pub phase: String,
    /// Namespace of the generated objects.
    pub namespace: String,
    /// Merged settings, valid against the plugin's schema.
    pub settings: Value,
    /// The input document.
    pub input: Value,
    /// Names of the plugin's objects.
    pub object_names: ObjectNames,
    /// Who takes the permit: nobody gets all of them. The Experiment's namespace.
    pub holder: String,
    /// What the call may cost.
    pub limits: Limits,
}

/// The answer of a plugin that answered within the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// A contribution, or why there is none.
    pub result: Result<Contribution, Failure>,
    /// What it logged, the first lines.
    pub log: Vec<LogLine>,
    /// How many lines it logged beyond that.
    pub log_dropped: u64,
    /// The end of what it wrote to standard output and error, and logged, in the order in which it did.
    pub written: String,
    /// What it cost.
    pub cost: Cost,
}

/// What a call took of its [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// From instantiation to answer; the wait for a permit is not in it.
    pub wall: Duration,
    /// Bytes of memories and tables, as [`Limits::memory`] counts them.
    pub memory: usize,
}

impl Engine {
    /// Calls `generate` in a fresh instance of `plugin`.
    ///
    /// # Errors
    ///
    /// Where the plugin trapped, reached a limit, or broke the contract.
    pub async fn generate(&self, plugin: &Plugin, call: Call) -> Result<Outcome, CallError> {
        let Call {
            phase,
            namespace,
            settings,
            input,
            object_names,
            holder,
            limits,
        } = call;
        let request = said::Request {
            phase,
            namespace,
            settings: settings.to_string(),
            input: input.to_string(),
        };
        let loaded = &plugin.loaded;
        let run = self.run(
            Arc::clone(&loaded.guest),
            &loaded.digest,
            &holder,
            limits,
            object_names,
        );
        let Ran {
            answer,
            log,
            written,
            cost,
        } = run
            .await?
            .call(|guest, store| guest.generate(store, request))
            .await?;
        let checked = output::check(answer, limits.output);
        Ok(Outcome {
            result: checked.map_err(|error| error.with_written(&written))?,
            log: log.lines,
            log_dropped: log.dropped,
            written,
            cost,
        })
    }

    /// Waits for a permit, and sets up a Store. Waiting counts against no limit: the others are to blame for it.
    pub(crate) async fn run(
        &self,
        guest: Arc<dyn Guest>,
        digest: &str,
        holder: &str,
        limits: Limits,
        names: ObjectNames,
    ) -> Result<Run, CallError> {
        let permit = self.inner.permits.acquire(digest, holder).await;
        let permit =
            permit.ok_or_else(|| CallError::Host("the engine is shutting down".to_owned()))?;
        let store = new_store(&self.inner.wasmtime, &limits, names);
        Ok(Run {
            engine: self.clone(),
            guest,
            store,
            limits,
            permit,
        })
    }
}

fn new_store(engine: &wasmtime::Engine, limits: &Limits, names: ObjectNames) -> Store<State> {
    let mut store = Store::new(engine, State::new(limits.memory, names));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(limits.output.saturating_add(ANSWER_OVERHEAD));
    let mut left = limits.cpu_ticks();
    // Called once a tick in which the guest runs; the next deadline is set when it runs again, so time in the queue is free.
    store.epoch_deadline_callback(move |_| {
        left = left
            .checked_sub(1)
            .ok_or_else(|| wasmtime::Error::from(CpuLimitReached))?;
        Ok(UpdateDeadline::Yield(1))
    });
    // A Store starts with a deadline that has passed.
    store.set_epoch_deadline(1);
    store
}

/// A call that may start.
pub(crate) struct Run {
    engine: Engine,
    guest: Arc<dyn Guest>,
    store: Store<State>,
    limits: Limits,
    permit: Permit,
}

/// An answer, and what is left of the Store that gave it.
pub(crate) struct Ran<A> {
    pub(crate) answer: A,
    log: Log,
    written: String,
    cost: Cost,
}

impl Run {
    /// Runs what `call` starts, on the guests' threads. The Store is gone when this returns: after a trap or a timeout it is
    /// poisoned, and after success the next call must not find anything of this one.
    pub(crate) async fn call<A, C>(self, call: C) -> Result<Ran<A>, CallError>
    where
        A: Send + 'static,
        C: for<'a> FnOnce(&'a dyn Guest, &'a mut Store<State>) -> Calling<'a, A> + Send + 'static,
    {
        let Self {
            engine,
            guest,
            mut store,
            limits,
            permit,
        } = self;
        engine.inner.calls.fetch_add(1, Ordering::Relaxed);
        let task = async move {
            let start = Instant::now();
            let answer = tokio::time::timeout(limits.wall, call(&*guest, &mut store)).await;
            let cost = Cost {
                wall: start.elapsed(),
                memory: limits.memory - store.data().memory.left(),
            };
            let (written, log) = (
                store.data().written(),
                std::mem::take(&mut store.data_mut().log),
            );
            // The slot first, then the right to take it.
            drop(store);
            drop(permit);
            match answer {
                Ok(Ok(answer)) => Ok(Ran {
                    answer,
                    log,
                    written,
                    cost,
                }),
                Ok(Err(error)) => Err(CallError::from_wasmtime(&error, &limits, written)),
                Err(_elapsed) => Err(CallError::WallLimit {
                    limit: limits.wall,
                    stderr: written,
                }),
            }
        };
        let finished = engine.inner.threads().spawn(task).await;
        finished.map_err(|error| CallError::Host(error.to_string()))?
    }
}

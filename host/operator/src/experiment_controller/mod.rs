//! Keeps what Experiments want: a change of anything that an Experiment depends on starts a reconcile of it.
//!
//! The folder is the way of the data: [`stores`] hold what the cluster holds, and `concerned` tells whom a change concerns; [`mod@reconcile`] composes, [`apply`]s and [`prune`]s;
//! what came of it is the [`outcome`], from which [`status`] and [`report`] follow.

pub mod apply;
mod concerned;
mod healing;
pub mod managed_fields;
pub mod observed;
pub mod outcome;
pub mod prune;
mod queue;
pub mod reconcile;
pub mod report;
pub mod runs;
pub mod status;
pub mod stores;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use kube::runtime::controller::Action;
use testbench_core::error::with_causes;
use testbench_core::resolve::{Lookup, ObjectRef};
use tracing::Instrument as _;

use self::outcome::{Outcome, Retry};
use self::queue::Queue;
use self::reconcile::{Context, DEADLINE, reconcile};
use self::report::Reports;
use crate::backoff::BackOff;
use crate::kinds::EXPERIMENT;
use crate::work::{Worker, work};

/// Experiments that are reconciled at the same time.
pub(crate) const CONCURRENCY: u16 = 16;
/// How long until an Experiment is looked at again although nothing happened: a watch can miss a change.
const RESYNC: Duration = Duration::from_secs(600);

/// Watches and reconciles until `shutdown` is done; writes in hand are finished. Whoever finds that something concerns an Experiment
/// sends it through `concerned`, whose other end is `requests`.
pub async fn run(
    context: Context,
    concerned: UnboundedSender<ObjectRef>,
    requests: UnboundedReceiver<ObjectRef>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (stores, client) = (context.stores.clone(), context.client.clone());
    let controller = Arc::new(Controller {
        reports: Reports::new(client.clone()),
        backoff: BackOff::default(),
        queue: Queue::new(context.metrics.clone()),
        context,
    });
    // Before every kind was listed, an absence says nothing: an empty store of Agents would flip URLs.
    let listed = stores.clone();
    let settled = async move {
        listed.settled().await;
        tracing::info!("all caches are full");
    };
    let queue = settled.map(|()| requests).flatten_stream();
    let work = work(
        EXPERIMENT,
        CONCURRENCY,
        queue.take_until(shutdown),
        controller,
    );
    let follow = concerned::follow(&stores, &client, &concerned);
    futures::pin_mut!(follow, work);
    futures::future::select(follow, work).await;
}

/// Tells the log lines of one reconcile from those of another.
fn next_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

struct Controller {
    context: Context,
    reports: Reports,
    backoff: BackOff,
    queue: Queue,
}

impl Worker for Controller {
    /// One that is not there is forgotten.
    fn knows(&self, object: &ObjectRef) -> bool {
        let stores = &self.context.stores;
        let is_there = stores.experiments.get(object).found().is_some();
        if is_there {
            self.queue.add(object);
        } else {
            stores.forget(object);
            self.backoff.reset(object);
            self.queue.forget(object);
        }
        is_there
    }

    /// On a task of its own: large Experiments on all cores, and a panic ends one reconcile alone.
    fn work(self: Arc<Self>, object: ObjectRef) -> BoxFuture<'static, Action> {
        self.queue.take(&object);
        let (task, of) = (self.clone(), object.clone());
        let span = tracing::error_span!(parent: None, "reconcile", %object, id = next_id());
        let task = tokio::spawn(async move { task.attempt(&of).await }.instrument(span));
        async move {
            task.await.unwrap_or_else(|error| {
                tracing::error!(%object, %error, "a reconcile panicked; this is a defect of testbench, please report it");
                self.again(&object)
            })
        }
        .boxed()
    }
}

impl Controller {
    async fn attempt(&self, object: &ObjectRef) -> Action {
        let context = &self.context;
        let Lookup::Found(observed) = context.stores.experiments.get(object) else {
            return Action::await_change();
        };
        // In a foreground deletion the objects go first: to put them back would fight the garbage collector.
        if observed.deleting {
            return Action::await_change();
        }
        let Some(host) = context.plugins.host_for(&object.namespace, &context.stores) else {
            tracing::debug!("waiting until its PhasePlugins have been looked at");
            return Action::requeue(RESYNC);
        };
        let active = context.metrics.active();
        let start = Instant::now();
        let outcome = reconcile(context, &host, object, &observed).await;
        context.metrics.observe(&outcome, start.elapsed());
        let publish = self.reports.publish(context, object, &observed, &outcome);
        let published = tokio::time::timeout(DEADLINE, publish).await;
        let failed = match published {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(with_causes(&error)),
            Err(_elapsed) => Some(format!("no answer within {} s", DEADLINE.as_secs())),
        };
        if let Some(error) = failed {
            tracing::warn!(error, "failed to write the status");
            context.metrics.status_write_failed();
            return self.again(object);
        }
        drop(active);
        self.next_attempt(object, &outcome)
    }

    fn next_attempt(&self, object: &ObjectRef, outcome: &Outcome) -> Action {
        let retry = outcome.result.as_ref().err().map(|failure| failure.retry);
        if retry != Some(Retry::BackOff) {
            self.backoff.reset(object);
        }
        match retry {
            None | Some(Retry::OnEvent) => Action::requeue(RESYNC),
            Some(Retry::OnChange) => Action::await_change(),
            Some(Retry::Seldom) => Action::requeue(RESYNC),
            Some(Retry::BackOff) => self.again(object),
            Some(Retry::After(pause)) => Action::requeue(pause),
        }
    }

    /// After a pause that grows.
    fn again(&self, object: &ObjectRef) -> Action {
        self.context.metrics.retried();
        Action::requeue(self.backoff.next(object))
    }
}

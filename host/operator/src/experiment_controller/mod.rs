//! Keeps what Experiments want: a change of anything that an Experiment depends on starts a reconcile of it.
//!
//! The folder is the way of the data: [`stores`] hold what the cluster holds, and `concerned` tells whom a change concerns; [`mod@reconcile`] composes, [`apply`]s and [`prune`]s;
//! what came of it is the [`outcome`], from which [`status`] and [`report`] follow.

pub mod apply;
mod backoff;
mod concerned;
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

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::{FutureExt as _, StreamExt as _};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::runtime::controller::{Action, Config, applier};
use kube::runtime::reflector::store::{Store, Writer};
use kube::runtime::{reflector, watcher};
use testbench_core::error::with_causes;
use testbench_core::resolve::{Lookup, ObjectRef};
use tracing::Instrument as _;

use self::backoff::BackOff;
use self::outcome::{Outcome, Retry};
use self::queue::Queue;
use self::reconcile::{Context, DEADLINE, reconcile};
use self::report::Reports;
use crate::kinds::EXPERIMENT;

/// Experiments that are reconciled at the same time.
pub(crate) const CONCURRENCY: u16 = 16;
/// How long until an Experiment is looked at again although nothing happened: a watch can miss a change.
const RESYNC: Duration = Duration::from_secs(600);

/// Watches and reconciles until `shutdown` is done; writes in hand are finished.
pub async fn run(context: Context, shutdown: impl Future<Output = ()>) {
    let (stores, client) = (context.stores.clone(), context.client.clone());
    let (concerned, requests) = mpsc::unbounded();
    let controller = Arc::new(Controller {
        reports: Reports::new(client.clone()),
        backoff: BackOff::default(),
        queue: Queue::new(context.metrics.clone()),
        context,
    });
    let (known, mut names) = names();
    let queued = controller.clone();
    let requests = requests.map(move |object: ObjectRef| {
        let name = named(&object);
        let request = reflector::ObjectRef::from_obj_with(&name, EXPERIMENT.api_resource());
        names.apply_watcher_event(&if queued.knows(&object) {
            queued.queue.add(&object);
            watcher::Event::Apply(name)
        } else {
            watcher::Event::Delete(name)
        });
        Ok::<_, Infallible>(request)
    });
    // Before every kind was listed, an absence says nothing: an empty store of Agents would flip URLs.
    let settled = stores
        .settled()
        .map(|()| tracing::info!("all caches are full"));
    let queue = settled
        .map(|()| requests)
        .flatten_stream()
        .take_until(shutdown);
    let work = applier(
        |object: Arc<DynamicObject>, controller| handle(object, controller).boxed(),
        |_, _: &Infallible, _| Action::await_change(),
        controller,
        known,
        Box::pin(queue),
        Config::default().concurrency(CONCURRENCY),
    )
    // What came of it has been told by then. An Experiment that is gone needs nothing.
    .for_each(|_| std::future::ready(()));
    let follow = concerned::follow(&stores, &client, &concerned);
    futures::pin_mut!(follow, work);
    futures::future::select(follow, work).await;
}

/// The queue looks names up in a store of its own kind, which therefore holds nothing but names.
fn names() -> (Store<DynamicObject>, Writer<DynamicObject>) {
    let mut writer = Writer::new(EXPERIMENT.api_resource());
    writer.apply_watcher_event(&watcher::Event::Init);
    writer.apply_watcher_event(&watcher::Event::InitDone);
    (writer.as_reader(), writer)
}

fn named(object: &ObjectRef) -> DynamicObject {
    DynamicObject::new(&object.name, &EXPERIMENT.api_resource()).within(&object.namespace)
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

/// On a task of its own: large Experiments on all cores, and a panic ends one reconcile alone.
async fn handle(
    object: Arc<DynamicObject>,
    controller: Arc<Controller>,
) -> Result<Action, Infallible> {
    let object = ObjectRef {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    };
    controller.queue.take(&object);
    let (task, of) = (controller.clone(), object.clone());
    let span = tracing::info_span!(parent: None, "reconcile", %object, id = next_id());
    let task = tokio::spawn(async move { task.attempt(&of).await }.instrument(span));
    Ok(task.await.unwrap_or_else(|error| {
        tracing::error!(%object, %error, "a reconcile panicked; this is a defect of testbench, please report it");
        controller.again(&object)
    }))
}

impl Controller {
    /// Whether the Experiment is there; one that is not is forgotten.
    fn knows(&self, object: &ObjectRef) -> bool {
        let stores = &self.context.stores;
        let is_there = stores.experiments.get(object).found().is_some();
        if !is_there {
            stores.forget(object);
            self.backoff.reset(object);
            self.queue.forget(object);
        }
        is_there
    }

    async fn attempt(&self, object: &ObjectRef) -> Action {
        let context = &self.context;
        let Lookup::Found(observed) = context.stores.experiments.get(object) else {
            return Action::await_change();
        };
        // In a foreground deletion the objects go first: to put them back would fight the garbage collector.
        if observed.deleting {
            return Action::await_change();
        }
        let active = context.metrics.active();
        let start = Instant::now();
        let outcome = reconcile(context, object, &observed).await;
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

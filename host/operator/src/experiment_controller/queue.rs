//! What waits for a reconcile, as far as metrics are concerned: the queue itself is kube's, which tells nothing of what it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use testbench_core::resolve::ObjectRef;

use crate::metrics::Metrics;

/// Since when each Experiment has been waiting. Like the queue, it holds each once.
#[derive(Debug)]
pub(super) struct Queue {
    metrics: Arc<Metrics>,
    waiting: Mutex<HashMap<ObjectRef, Instant>>,
}

impl Queue {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            waiting: Mutex::default(),
        }
    }

    /// An Experiment is put into the queue, or is there already.
    pub(super) fn add(&self, object: &ObjectRef) {
        let mut waiting = self.lock();
        if !waiting.contains_key(object) {
            waiting.insert(object.clone(), Instant::now());
            self.metrics.queued(waiting.len());
        }
    }

    /// Its reconcile begins. One that was due by time alone has not waited.
    pub(super) fn take(&self, object: &ObjectRef) {
        let mut waiting = self.lock();
        let since = waiting.remove(object);
        if since.is_none() {
            self.metrics.queued(waiting.len());
        }
        let waited = since.map(|since| since.elapsed()).unwrap_or_default();
        self.metrics.dequeued(waiting.len(), waited);
    }

    /// An Experiment that is gone waits no more.
    pub(super) fn forget(&self, object: &ObjectRef) {
        let mut waiting = self.lock();
        if waiting.remove(object).is_some() {
            self.metrics.set_queue_depth(waiting.len());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectRef, Instant>> {
        // A panic while it was locked leaves the map whole: every change is of one entry.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_once_and_what_was_due_by_time_counts_too() {
        let metrics = Arc::new(Metrics::default());
        let queue = Queue::new(metrics.clone());
        let object = |name: &str| ObjectRef {
            namespace: "ns".into(),
            name: name.into(),
        };
        queue.add(&object("a"));
        queue.add(&object("a"));
        queue.add(&object("b"));
        let holds = |lines: &[&str]| {
            let text = metrics.text().unwrap();
            for line in lines {
                let line = line.replace("{}", r#"{name="experiment",controller="experiment"}"#);
                assert!(text.contains(&line), "{line} is not in\n{text}");
            }
        };
        holds(&["workqueue_depth{} 2", "workqueue_adds_total{} 2"]);
        queue.take(&object("a"));
        queue.take(&object("c"));
        queue.forget(&object("b"));
        holds(&[
            "workqueue_depth{} 0",
            "workqueue_adds_total{} 3",
            "workqueue_queue_duration_seconds_count{} 2",
        ]);
    }
}

//! Events about our own objects, aggregated: a repeated one counts up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::api::DynamicObject;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource as _};
use testbench_core::error::with_causes;
use testbench_core::resolve::ObjectRef;

use crate::kinds::Kind;

/// Longest note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// How long a repeated Event counts as the same; a recorder forgets it after six minutes.
const SAME_EVENT: Duration = Duration::from_secs(360);

/// Publishes Events.
pub(crate) struct Events {
    client: Client,
    reporter: Reporter,
    /// By UID and note: one recorder takes all Events of a reason for the same, and would repeat the first note for another.
    recorders: Mutex<HashMap<(String, String), (Instant, Recorder)>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        let reporter = Reporter {
            controller: "testbench".to_owned(),
            instance: std::env::var("POD_NAME").ok(),
        };
        Self {
            client,
            reporter,
            recorders: Mutex::default(),
        }
    }

    /// Publishes an Event about the object with this UID. One that gets lost is logged, and no reason to do anything again.
    pub(crate) async fn publish(&self, kind: Kind, object: &ObjectRef, uid: &str, event: Event) {
        let resource = kind.api_resource();
        let mut subject = DynamicObject::new(&object.name, &resource).within(&object.namespace);
        subject.meta_mut().uid = Some(uid.to_owned());
        let subject = subject.object_ref(&resource);
        let recorder = self.recorder(uid, &event);
        let published = recorder.publish(&event, &subject);
        if let Err(error) = published.await {
            let (reason, error) = (event.reason, with_causes(&error));
            tracing::warn!(%object, reason, error, "failed to publish an Event");
        }
    }

    fn recorder(&self, uid: &str, event: &Event) -> Recorder {
        let now = Instant::now();
        let note = event.note.clone().unwrap_or_default();
        let mut recorders = self
            .recorders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recorders.retain(|_, (used, _)| now.duration_since(*used) < SAME_EVENT);
        let (used, recorder) = recorders.entry((uid.to_owned(), note)).or_insert_with(|| {
            (
                now,
                Recorder::new(self.client.clone(), self.reporter.clone()),
            )
        });
        *used = now;
        recorder.clone()
    }
}

/// An Event with as much of `note` as the API server takes.
pub(crate) fn event(type_: EventType, reason: &str, action: &str, note: &str) -> Event {
    let mut end = note.len().min(MAX_NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note[..end].to_owned()),
        action: action.to_owned(),
        secondary: None,
    }
}

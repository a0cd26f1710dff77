//! Requests on which a plugin showed a defect. Plugins are pure, so an equal request would show it again: it is not sent.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use testbench_engine::{Call, CallError};

use crate::slots::Registered;

/// How many requests are remembered; the oldest is forgotten first, which costs one more call.
const CAPACITY: usize = 1024;

/// What is remembered. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Defects {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    by_request: HashMap<RequestKey, CallError>,
    oldest_first: VecDeque<RequestKey>,
}

/// Everything that an answer can depend on, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RequestKey([u8; 32]);

impl RequestKey {
    pub(super) fn of(registered: &Registered, call: &Call) -> Self {
        // The identity decides which names the plugin's objects get.
        let identity = format!("{:?} {:?}", registered.identity, registered.limits);
        let (settings, input) = (call.settings.to_string(), call.input.to_string());
        let parts = [
            registered.plugin.digest(),
            &identity,
            &call.phase,
            &call.namespace,
            &settings,
            &input,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl Defects {
    pub(super) fn recall(&self, request: &RequestKey) -> Option<CallError> {
        self.lock().by_request.get(request).cloned()
    }

    /// Remembers `error`, unless a busy machine may be to blame for it.
    pub(super) fn note(&self, request: RequestKey, error: &CallError) {
        if !error.is_repeatable() {
            return;
        }
        let mut known = self.lock();
        if known.by_request.insert(request, error.clone()).is_none() {
            known.oldest_first.push_back(request);
        }
        if known.oldest_first.len() > CAPACITY
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.by_request.remove(&oldest);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // A panic between the two leaves at worst a request that is forgotten late.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(number: usize) -> RequestKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        RequestKey(key)
    }

    fn trap() -> CallError {
        CallError::Trap {
            cause: "unreachable".to_owned(),
            stderr: String::new(),
        }
    }

    #[test]
    fn a_defect_is_remembered_and_what_time_may_help_is_not() {
        let defects = Defects::default();
        defects.note(key(1), &trap());
        let timeout = CallError::WallLimit {
            limit: Duration::from_secs(5),
            stderr: String::new(),
        };
        defects.note(key(2), &timeout);
        assert_eq!(defects.recall(&key(1)), Some(trap()));
        assert_eq!(defects.recall(&key(2)), None);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let defects = Defects::default();
        for number in 0..=CAPACITY {
            defects.note(key(number), &trap());
            defects.note(key(number), &trap());
        }
        assert_eq!(defects.recall(&key(0)), None);
        assert_eq!(defects.recall(&key(1)), Some(trap()));
        assert_eq!(defects.lock().by_request.len(), CAPACITY);
    }
}

//! How long until the next attempt: a pause of its own for each Experiment, which grows while attempts fail.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use testbench_core::resolve::ObjectRef;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(300);

/// Counts the attempts that failed in a row.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    failed: Mutex<HashMap<ObjectRef, u32>>,
}

impl BackOff {
    /// One more attempt failed: how long until the next.
    pub(crate) fn next(&self, object: &ObjectRef) -> Duration {
        let mut failed = self.lock();
        let attempts = failed.entry(object.clone()).or_default();
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(*attempts));
        *attempts = attempts.saturating_add(1);
        pause.min(LONGEST)
    }

    /// An attempt succeeded, or the object is gone.
    pub(crate) fn reset(&self, object: &ObjectRef) {
        self.lock().remove(object);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectRef, u32>> {
        // A panic while it was locked leaves the map whole: every change is of one entry.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_for_each_object_alone_up_to_a_bound_and_start_again() {
        let backoff = BackOff::default();
        let object = |name: &str| ObjectRef {
            namespace: "ns".into(),
            name: name.into(),
        };
        let pauses: Vec<_> = (0..12).map(|_| backoff.next(&object("a"))).collect();
        assert_eq!(pauses[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert_eq!(pauses[11], LONGEST);
        assert_eq!(backoff.next(&object("b")), FIRST);
        backoff.reset(&object("a"));
        assert_eq!(backoff.next(&object("a")), FIRST);
    }
}

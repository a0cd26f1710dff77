//! How often an object may be put back: somebody who changes it again and again, most likely a controller of somebody else's, is not
//! fought at full speed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use testbench_core::resolve::ObjectRef;

use crate::kinds::Kind;

/// As often an object is put back at once.
const FREE: u32 = 5;
/// The pause before the next time; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// After so long in peace, all is forgotten.
const PEACE: Duration = Duration::from_secs(900);

/// What was put back lately.
#[derive(Debug, Default)]
pub(super) struct Healing {
    lately: Mutex<HashMap<(&'static str, ObjectRef), Heals>>,
}

#[derive(Debug, Clone, Copy)]
struct Heals {
    count: u32,
    last: Instant,
}

impl Heals {
    fn pause(self) -> Duration {
        match self.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(beyond) => FIRST_PAUSE
                .saturating_mul(2_u32.saturating_pow(beyond))
                .min(LONGEST_PAUSE),
        }
    }
}

impl Healing {
    /// Asks to put an object back, now; how long it has to wait, where it has to.
    pub(super) fn ask(&self, kind: Kind, object: &ObjectRef, now: Instant) -> Result<(), Duration> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|_, heals| now.duration_since(heals.last) < PEACE);
        let key = (kind.kind, object.clone());
        let Some(heals) = lately.get_mut(&key) else {
            lately.insert(
                key,
                Heals {
                    count: 1,
                    last: now,
                },
            );
            return Ok(());
        };
        let left = heals.pause().saturating_sub(now.duration_since(heals.last));
        if left > Duration::ZERO {
            return Err(left);
        }
        *heals = Heals {
            count: heals.count.saturating_add(1),
            last: now,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{CONFIG_MAP, TEST_TRIGGER};

    #[test]
    fn an_object_is_put_back_at_once_a_few_times_and_then_with_growing_pauses() {
        let (healing, start) = (Healing::default(), Instant::now());
        let object = ObjectRef {
            namespace: "ns".into(),
            name: "x".into(),
        };
        for _ in 0..FREE {
            assert_eq!(healing.ask(CONFIG_MAP, &object, start), Ok(()));
        }
        assert_eq!(healing.ask(CONFIG_MAP, &object, start), Err(FIRST_PAUSE));
        // Others are not to blame.
        assert_eq!(healing.ask(TEST_TRIGGER, &object, start), Ok(()));
        let later = start + FIRST_PAUSE;
        assert_eq!(healing.ask(CONFIG_MAP, &object, later), Ok(()));
        assert_eq!(
            healing.ask(CONFIG_MAP, &object, later),
            Err(FIRST_PAUSE * 2)
        );
        let at_peace = later + PEACE;
        for _ in 0..FREE {
            assert_eq!(healing.ask(CONFIG_MAP, &object, at_peace), Ok(()));
        }
    }
}

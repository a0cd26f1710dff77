//! Who may run a guest now. No plugin and no holder can have all permits, so nobody can shut the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits of an engine.
#[derive(Debug)]
pub(crate) struct Permits {
    all: Arc<Semaphore>,
    /// How many of them one plugin, or one holder, can have.
    share: usize,
    shares: Mutex<HashMap<Owner, Weak<Semaphore>>>,
}

/// Of `total` permits, how many one plugin, or one holder, can have: half.
pub(crate) fn share(total: usize) -> usize {
    (total / 2).max(1)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    Plugin(String),
    Holder(String),
}

/// The right to run one guest; gives itself back.
#[derive(Debug)]
pub(crate) struct Permit {
    _permits: [OwnedSemaphorePermit; 3],
    // The shares live as long as somebody has, or waits for, a permit of theirs.
    _shares: [Arc<Semaphore>; 2],
}

impl Permits {
    /// `total` permits, of which one plugin or holder gets at most half.
    pub(crate) fn new(total: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(total.max(1))),
            share: share(total),
            shares: Mutex::default(),
        }
    }

    /// Waits for a permit. `None` only where the semaphores were closed, which nobody does.
    pub(crate) async fn acquire(&self, plugin: &str, holder: &str) -> Option<Permit> {
        let plugin = self.share_of(Owner::Plugin(plugin.to_owned()));
        let holder = self.share_of(Owner::Holder(holder.to_owned()));
        // The narrow ones first: who waits for its own share must not keep a permit from others meanwhile.
        let permits = [
            plugin.clone().acquire_owned().await.ok()?,
            holder.clone().acquire_owned().await.ok()?,
            self.all.clone().acquire_owned().await.ok()?,
        ];
        Some(Permit {
            _permits: permits,
            _shares: [plugin, holder],
        })
    }

    fn share_of(&self, owner: Owner) -> Arc<Semaphore> {
        // A panic while the map was locked leaves it whole: every change is one insertion.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&owner).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(owner, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn no_plugin_and_no_holder_gets_more_than_half() {
        let permits = Permits::new(4);
        let take =
            |plugin: &str, holder: &str| permits.acquire(plugin, holder).now_or_never().flatten();
        let held = [take("a", "x"), take("a", "x")];
        assert!(held.iter().all(Option::is_some));
        assert!(take("a", "y").is_none(), "plugin a has its half");
        assert!(take("b", "x").is_none(), "holder x has its half");
        assert!(take("b", "y").is_some(), "others go on");
        drop(held);
        assert!(take("a", "x").is_some(), "permits come back");
    }

    #[test]
    fn shares_that_nobody_uses_are_forgotten() {
        let permits = Permits::new(4);
        for i in 0..100 {
            drop(permits.acquire(&format!("plugin-{i}"), "x").now_or_never());
        }
        assert!(permits.shares.lock().unwrap().len() <= 4);
    }
}

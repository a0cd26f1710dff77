//! Waiting for what happens elsewhere.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long between two looks: short beside anything that is waited for.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks again and again, until `look` sees something or `limit` is over.
///
/// Nothing in these tests waits for a fixed time: on a loaded machine that is too short, on any other too long.
pub async fn poll<T>(limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look().await {
            return Some(seen);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(PAUSE).await;
    }
}

//! How the operator talks to the API server.

use std::time::Duration;

use kube::Config;

/// Longest silence on a connection. The API server sends a bookmark on a quiet watch about every minute, so that one which brings
/// nothing for longer is dead: a middlebox has forgotten it, say. It is opened again, from where it was.
const LONGEST_SILENCE: Duration = Duration::from_secs(90);

/// `config` as the operator uses it.
#[must_use]
pub fn configured(mut config: Config) -> Config {
    // kube's retries would hold a reconcile for minutes; the controller has a back-off of its own for each Experiment.
    config.default_retry = false;
    config.read_timeout.get_or_insert(LONGEST_SILENCE);
    config
}

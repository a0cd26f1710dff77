//! Where an Experiment's objects live, and under whose ownership: the only place that decides it.

use crate::compose::{Owner, Placement};
use crate::experiment::Experiment;

/// Beside the Experiment, named after it, and owned by it where the API server has given it a UID. Without a UID there is no
/// owner reference: with a made-up one, the garbage collector would delete what somebody applies by hand.
#[must_use]
pub fn placement(experiment: &Experiment) -> Placement {
    Placement {
        namespace: experiment.namespace.clone(),
        name_prefix: experiment.name.clone(),
        owner: experiment.uid.clone().map(|uid| Owner {
            name: experiment.name.clone(),
            uid,
        }),
    }
}

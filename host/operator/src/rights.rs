//! What the operator's account has to be allowed, so that what is missing can be said at once. `deploy/install/` grants this, and a
//! test compares the two.

use crate::kinds::{
    AGENT, AI_GATEWAY, CONFIG_MAP, EXPERIMENT, Kind, PHASE_PLUGIN, REPORTED_EVENT, TEMPLATE,
    TEST_TRIGGER, TEST_WORKFLOW,
};

/// What the operator does with one kind, in each namespace that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// With which kind.
    pub kind: Kind,
    /// With which part of it; the whole where it is empty.
    pub subresource: &'static str,
    /// `list`, `watch` and so on.
    pub verbs: &'static [&'static str],
}

const READ: &[&str] = &["list", "watch"];
/// Server-side apply needs `create` beside `patch`; `get` looks at an object that lost its labels.
const GENERATE: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

/// Everything without which it cannot work. Two rights are not here: `update` of `experiments/finalizers` is asked for only where the
/// API server enforces it, and without Events in Testkube's namespace nothing is known of runs, and all else goes on.
pub const RIGHTS: &[Right] = &[
    whole(EXPERIMENT, READ),
    Right {
        kind: EXPERIMENT,
        subresource: "status",
        verbs: &["patch"],
    },
    whole(PHASE_PLUGIN, READ),
    Right {
        kind: PHASE_PLUGIN,
        subresource: "status",
        verbs: &["patch"],
    },
    whole(CONFIG_MAP, GENERATE),
    whole(TEST_WORKFLOW, GENERATE),
    whole(TEST_TRIGGER, GENERATE),
    whole(AGENT, READ),
    whole(AI_GATEWAY, READ),
    whole(TEMPLATE, READ),
    whole(REPORTED_EVENT, &["create", "patch"]),
];

const fn whole(kind: Kind, verbs: &'static [&'static str]) -> Right {
    Right {
        kind,
        subresource: "",
        verbs,
    }
}

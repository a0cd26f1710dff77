//! The kinds that the operator reads and writes.

use kube::core::{ApiResource, GroupVersionKind};
use testbench_core::config::CeilingKind;

/// What a kind is to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// `group/version`, or `v1`.
    pub api_version: &'static str,
    /// `ConfigMap`.
    pub kind: &'static str,
    /// `configmaps`.
    pub plural: &'static str,
}

impl From<&CeilingKind> for Kind {
    /// The administrator names few, and they are named for as long as the process lives.
    fn from(kind: &CeilingKind) -> Self {
        let keep = |text: &String| &*Box::leak(text.clone().into_boxed_str());
        Self {
            api_version: keep(&kind.api_version),
            kind: keep(&kind.kind),
            plural: keep(&kind.plural),
        }
    }
}

impl Kind {
    /// Group, empty for the core group, and version.
    #[must_use]
    pub fn group_version(self) -> (&'static str, &'static str) {
        self.api_version
            .split_once('/')
            .unwrap_or(("", self.api_version))
    }

    /// What the client needs to know of it.
    #[must_use]
    pub fn api_resource(self) -> ApiResource {
        let (group, version) = self.group_version();
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(group, version, self.kind),
            self.plural,
        )
    }

    /// The name of its CustomResourceDefinition, `testworkflows.testworkflows.testkube.io`; of a built-in kind, its plural.
    #[must_use]
    pub fn crd_name(self) -> String {
        match self.group_version() {
            ("", _) => self.plural.to_owned(),
            (group, _) => format!("{}.{group}", self.plural),
        }
    }
}

/// What the operator serves.
pub const EXPERIMENT: Kind = Kind {
    api_version: testbench_core::experiment::API_VERSION,
    kind: testbench_core::experiment::KIND,
    plural: "experiments",
};
/// Phases of teams' own.
pub const PHASE_PLUGIN: Kind = Kind {
    api_version: testbench_core::experiment::API_VERSION,
    kind: "PhasePlugin",
    plural: "phaseplugins",
};
/// Referred to by `spec.agentRef`.
pub const AGENT: Kind = Kind {
    api_version: "runtime.agentic-layer.ai/v1alpha1",
    kind: "Agent",
    plural: "agents",
};
/// Referred to by `spec.aiGatewayRef`.
pub const AI_GATEWAY: Kind = Kind {
    api_version: "runtime.agentic-layer.ai/v1alpha1",
    kind: "AiGateway",
    plural: "aigateways",
};
/// Generated, and referred to as `otel-config`.
pub const CONFIG_MAP: Kind = Kind {
    api_version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
};
/// Generated.
pub const TEST_WORKFLOW: Kind = Kind {
    api_version: "testworkflows.testkube.io/v1",
    kind: "TestWorkflow",
    plural: "testworkflows",
};
/// Generated.
pub const TEST_TRIGGER: Kind = Kind {
    api_version: "tests.testkube.io/v1",
    kind: "TestTrigger",
    plural: "testtriggers",
};
/// Named by the steps of a TestWorkflow.
pub const TEMPLATE: Kind = Kind {
    api_version: "testworkflows.testkube.io/v1",
    kind: "TestWorkflowTemplate",
    plural: "testworkflowtemplates",
};

/// What users are told, beside the status.
pub const REPORTED_EVENT: Kind = Kind {
    api_version: "events.k8s.io/v1",
    kind: "Event",
    plural: "events",
};

/// What Testkube tells of runs.
pub const EVENT: Kind = Kind {
    api_version: "v1",
    kind: "Event",
    plural: "events",
};

/// Everything that is generated without a grant, in the order in which it is written: data before the workflow that reads it, the workflow before
/// the trigger that starts it.
pub const GENERATED: [Kind; 3] = [CONFIG_MAP, TEST_WORKFLOW, TEST_TRIGGER];

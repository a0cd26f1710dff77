//! First step: looks up what an Experiment refers to. [`References`] is the only way to the outside; the rules beneath it are pure.

mod agent;
mod gateway;
mod otel;
mod template;

use std::sync::Arc;

use serde::Serialize;
use testbench_api::RecordedAgent;

pub use self::agent::{Agent, AgentProtocol, AgentSpec, AgentStatus};
pub use self::gateway::{AiGateway, AiGatewaySpec};
pub use self::otel::{ConfigMap, OTEL_CONFIG_MAP, OTEL_ENDPOINT, OtelEndpoint};
pub use self::template::{
    Template, TemplateContainer, TemplateParameter, TemplateSpec, TemplateStep, TemplateVariable,
};
use crate::experiment::Experiment;
use crate::finding::Finding;

/// An object of a known kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Answer to a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The object is there.
    Found(Arc<T>),
    /// The kind is known, the object is not there.
    Absent,
    /// The kind is not installed, so nobody can tell.
    KindMissing,
}

impl<T> Lookup<T> {
    /// The object, where there is one.
    #[must_use]
    pub fn found(&self) -> Option<&T> {
        match self {
            Lookup::Found(object) => Some(object),
            Lookup::Absent | Lookup::KindMissing => None,
        }
    }
}

/// Where referenced objects come from: watched stores in the operator, files in `render`.
pub trait References: Send + Sync {
    /// An Agent.
    fn agent(&self, object: &ObjectRef) -> Lookup<Agent>;
    /// An AiGateway.
    fn ai_gateway(&self, object: &ObjectRef) -> Lookup<AiGateway>;
    /// A ConfigMap.
    fn config_map(&self, object: &ObjectRef) -> Lookup<ConfigMap>;
    /// A TestWorkflowTemplate.
    fn template(&self, object: &ObjectRef) -> Lookup<Template>;
}

/// What an Experiment refers to. Drives the look-up, and tells which Experiments a changed object concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referenced {
    /// The agent under evaluation.
    pub agent: ObjectRef,
    /// The gateway, where the Experiment names one.
    pub ai_gateway: Option<ObjectRef>,
    /// The ConfigMaps that may name the OTEL endpoint, the nearest first.
    pub otel_config: Vec<ObjectRef>,
}

/// What `experiment` refers to.
#[must_use]
pub fn references(experiment: &Experiment, operator_namespace: &str) -> Referenced {
    let spec = &experiment.spec;
    let near = |name: &str, namespace: Option<&str>| ObjectRef {
        namespace: namespace.unwrap_or(&experiment.namespace).to_owned(),
        name: name.to_owned(),
    };
    Referenced {
        agent: near(&spec.agent_ref.name, spec.agent_ref.namespace.as_deref()),
        ai_gateway: spec
            .ai_gateway_ref
            .as_ref()
            .map(|gateway| near(&gateway.name, gateway.namespace.as_deref())),
        otel_config: vec![
            near(OTEL_CONFIG_MAP, None),
            near(OTEL_CONFIG_MAP, Some(operator_namespace)),
        ],
    }
}

/// A referenced object with the URL under which it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// Without a trailing slash.
    pub url: String,
}

/// An Experiment with everything that it refers to.
#[derive(Debug)]
pub struct Resolved {
    /// The Experiment itself.
    pub experiment: Experiment,
    /// The agent under evaluation.
    pub agent: Endpoint,
    /// Whether the Agent object was there.
    pub agent_lookup: Lookup<()>,
    /// The gateway to the judge's model.
    pub ai_gateway: Option<Endpoint>,
    /// Where traces go.
    pub otel: Option<OtelEndpoint>,
    /// What the user should know of the look-up.
    pub findings: Vec<Finding>,
}

/// Looks up what `experiment` refers to. Nothing that is missing stops generation: it shows as a [`Finding`].
#[must_use]
pub fn resolve(
    experiment: Experiment,
    from: &dyn References,
    operator_namespace: &str,
) -> Resolved {
    let referenced = references(&experiment, operator_namespace);
    let mut findings = Vec::new();

    let agent = from.agent(&referenced.agent);
    let status = &experiment.status;
    let same = |recorded: &RecordedAgent| {
        recorded.name == referenced.agent.name && recorded.namespace == referenced.agent.namespace
    };
    let recorded = status
        .agent_url
        .as_deref()
        .filter(|_| status.agent_ref.as_ref().is_some_and(same));
    let url = agent::agent_url(
        &referenced.agent.name,
        &referenced.agent.namespace,
        agent.found(),
        recorded,
    );
    if agent == Lookup::Absent {
        findings.push(Finding::warning(
            "AgentNotFound",
            format!(
                "Agent {} does not exist; the run would call {url}",
                referenced.agent
            ),
        ));
    }

    let ai_gateway = referenced.ai_gateway.map(|object| {
        let gateway = from.ai_gateway(&object);
        let url = gateway::gateway_url(&object.name, &object.namespace, gateway.found());
        if gateway.found().is_none() {
            findings.push(Finding::warning(
                "AiGatewayNotFound",
                format!("AiGateway {object} does not exist; assuming {url}"),
            ));
        }
        endpoint(object, url)
    });

    let mut configs = referenced
        .otel_config
        .iter()
        .map(|object| from.config_map(object));
    let (beside, own) = (configs.next(), configs.next());
    let otel = otel::otel_endpoint(
        experiment.spec.otlp_endpoint.as_deref(),
        beside.as_ref().and_then(Lookup::found),
        own.as_ref().and_then(Lookup::found),
    );

    let agent_lookup = match agent {
        Lookup::Found(_) => Lookup::Found(Arc::new(())),
        Lookup::Absent => Lookup::Absent,
        Lookup::KindMissing => Lookup::KindMissing,
    };
    Resolved {
        experiment,
        agent: endpoint(referenced.agent, url),
        agent_lookup,
        ai_gateway,
        otel,
        findings,
    }
}

fn endpoint(object: ObjectRef, url: String) -> Endpoint {
    Endpoint {
        name: object.name,
        namespace: object.namespace,
        url,
    }
}

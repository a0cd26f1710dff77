//! One reconcile: from what the caches hold to what the cluster should hold, and what came of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kube::Client;
use serde_json::Value;
use testbench_core::experiment::Experiment;
use testbench_core::pipeline::{self, Host};
use testbench_core::placement::placement;
use testbench_core::resolve::{ObjectRef, resolve};
use testbench_core::templates;

use super::apply::apply;
use super::observed::Observed;
use super::outcome::{AgentFound, Applied, Changes, Failure, Outcome};
use super::prune::{Wanted, prune};
use super::stores::Stores;
use crate::metrics::Metrics;
use crate::plugins::Plugins;

/// Longest time that the steps of a reconcile may take, and as long again telling of it; then it is tried again.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// What a reconcile works with.
pub struct Context {
    /// For writes only; everything that is read comes from the stores.
    pub client: Client,
    /// What the cluster holds.
    pub stores: Arc<Stores>,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
    /// Engine and plugins.
    pub plugins: Arc<Plugins>,
    /// The operator's own namespace.
    pub operator_namespace: String,
    /// The namespace in which Testkube looks for workflows.
    pub testkube_namespace: String,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// Brings the cluster to what the Experiment wants, composed by `host`, within a deadline.
pub async fn reconcile(
    context: &Context,
    host: &Host,
    object: &ObjectRef,
    observed: &Observed,
) -> Outcome {
    let experiment = match &observed.experiment {
        Ok(experiment) => experiment.clone(),
        Err(why) => {
            return Outcome {
                agent: None,
                changes: Changes::default(),
                result: Err(Failure::unreadable(why)),
            };
        }
    };
    let resolved = resolve(
        experiment,
        context.stores.as_ref(),
        &context.operator_namespace,
    );
    let agent = AgentFound {
        endpoint: resolved.agent.clone(),
        lookup: resolved.agent_lookup.clone(),
    };
    let mut changes = Changes::default();
    let steps = steps(context, host, object, observed, resolved, &mut changes);
    // A panic ends one attempt of one Experiment, and is told like any other failure.
    let steps = AssertUnwindSafe(steps).catch_unwind();
    let result = match tokio::time::timeout(DEADLINE, steps).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(Failure::panicked()),
        Err(_elapsed) => Err(Failure::deadline(DEADLINE)),
    };
    Outcome {
        agent: Some(agent),
        changes,
        result,
    }
}

/// `spec.env`, as the API spells it. What cannot be spelt so has been refused by then.
fn env(experiment: &Experiment) -> Vec<Value> {
    let env = experiment.spec.env.iter();
    env.filter_map(|variable| serde_json::to_value(variable).ok())
        .collect()
}

/// The table of contents: compose what is wanted, apply it, and then prune what no longer is.
async fn steps(
    context: &Context,
    host: &Host,
    object: &ObjectRef,
    observed: &Observed,
    resolved: testbench_core::resolve::Resolved,
    changes: &mut Changes,
) -> Result<Applied, Failure> {
    let Context { client, stores, .. } = context;
    let uid = &observed.uid;
    let placement = placement(&resolved.experiment);
    let env = env(&resolved.experiment);
    let desired = pipeline::desired(host, resolved, stores.as_ref(), &placement).await?;
    stores.names_templates(object, templates::named(&desired.objects));
    // Looked at once it is known whom a change of a template concerns: one that came just before that would wake nobody.
    let template_problems = pipeline::template_problems(&desired.objects, &env, stores.as_ref());
    let recorded = &observed.status.generated_resources;
    let (name, objects) = (&object.name, &desired.objects);
    let Changes { written, pruned } = changes;
    apply(client, stores, name, uid, recorded, objects, written).await?;
    let wanted = Wanted {
        objects,
        kept_phases: &desired.ignored,
    };
    prune(client, stores, uid, wanted, recorded, pruned).await?;
    Ok(Applied {
        mode: desired.mode,
        phases: desired.phases,
        findings: desired.findings,
        template_problems,
        missing_kind: stores.missing_template_kind(),
    })
}

//! The caches of everything that Experiments depend on, and which Experiments a change concerns.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedSender;
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher;
use kube::{Client, Resource};
use testbench_core::resolve::{
    Agent, AiGateway, ConfigMap, Lookup, OTEL_CONFIG_MAP, ObjectRef, References, Template,
    references,
};

use super::observed::{Generated, Observed, fields};
use super::runs::RunEvent;
use crate::kinds::{self, GENERATED, Kind, TEST_WORKFLOW};
use crate::raw::RawObject;
use crate::watch::{Change, Listing, Namespaces, Watched};

/// Selects what this operator has generated.
const GENERATED_BY_US: &str = "app.kubernetes.io/managed-by=testbench";

/// All caches. They are the only ones: whatever is decided is decided from here.
#[derive(Debug)]
pub struct Stores {
    /// What the operator serves.
    pub experiments: Watched<Observed>,
    agents: Watched<Agent>,
    ai_gateways: Watched<AiGateway>,
    otel_configs: Watched<ConfigMap>,
    templates: Watched<Template>,
    /// In the order of [`GENERATED`].
    generated: [Watched<Generated>; GENERATED.len()],
    /// Not waited for, and not asked whether it is complete: it is only reported.
    runs: Watched<Option<RunEvent>>,
    operator_namespace: String,
    /// Which templates the workflow of an Experiment named last: only composing tells.
    named_templates: Mutex<HashMap<ObjectRef, BTreeSet<ObjectRef>>>,
}

impl Stores {
    /// Empty caches.
    #[must_use]
    pub fn new(
        namespaces: &Namespaces,
        operator_namespace: &str,
        testkube_namespace: &str,
    ) -> Self {
        // References may point at the operator's own namespace, too.
        let with_own = match namespaces {
            Namespaces::All => Namespaces::All,
            Namespaces::Named(names) => {
                let mut names: BTreeSet<_> = names.iter().cloned().collect();
                names.insert(operator_namespace.to_owned());
                Namespaces::Named(names.into_iter().collect())
            }
        };
        Self {
            experiments: Watched::new(kinds::EXPERIMENT, namespaces),
            agents: Watched::new(kinds::AGENT, &with_own),
            ai_gateways: Watched::new(kinds::AI_GATEWAY, &with_own),
            otel_configs: Watched::new(kinds::CONFIG_MAP, &with_own),
            templates: Watched::new(kinds::TEMPLATE, namespaces),
            generated: GENERATED.map(|kind| Watched::new(kind, namespaces)),
            runs: Watched::new(
                kinds::EVENT,
                &Namespaces::Named(vec![testkube_namespace.to_owned()]),
            ),
            operator_namespace: operator_namespace.to_owned(),
            named_templates: Mutex::default(),
        }
    }

    /// The cache of a generated kind; `None` for any other.
    #[must_use]
    pub fn generated(&self, api_version: &str, kind: &str) -> Option<&Watched<Generated>> {
        self.generated.iter().find(|watched| {
            let known = watched.kind();
            known.api_version == api_version && known.kind == kind
        })
    }

    /// The caches of all generated kinds, in the order in which objects are written.
    pub fn all_generated(&self) -> impl DoubleEndedIterator<Item = &Watched<Generated>> {
        self.generated.iter()
    }

    /// The kinds that were not listed yet.
    #[must_use]
    pub fn pending_kinds(&self) -> Vec<Kind> {
        let mut pending = Vec::new();
        let mut note = |kind, listing| {
            if listing == Listing::Pending {
                pending.push(kind);
            }
        };
        note(self.experiments.kind(), self.experiments.listing());
        note(self.otel_configs.kind(), self.otel_configs.listing());
        note(self.agents.kind(), self.agents.listing());
        note(self.ai_gateways.kind(), self.ai_gateways.listing());
        note(self.templates.kind(), self.templates.listing());
        for generated in &self.generated {
            note(generated.kind(), generated.listing());
        }
        pending
    }

    /// Whether the Experiment with this UID is being deleted, or gone.
    #[must_use]
    pub fn is_going(&self, experiment: &ObjectRef, uid: &str) -> bool {
        let observed = self.experiments.get(experiment);
        observed
            .found()
            .is_none_or(|observed| observed.deleting || observed.uid != uid)
    }

    /// TestWorkflowTemplate, where the cluster does not know it.
    #[must_use]
    pub fn missing_template_kind(&self) -> Option<Kind> {
        let missing = self.templates.listing() == Listing::KindMissing;
        missing.then(|| self.templates.kind())
    }

    /// Waits until every kind was listed, or is known to be missing. Before that, an absence says nothing.
    pub async fn settled(&self) {
        self.experiments.settled().await;
        self.agents.settled().await;
        self.ai_gateways.settled().await;
        self.otel_configs.settled().await;
        self.templates.settled().await;
        for generated in &self.generated {
            generated.settled().await;
        }
    }

    /// Remembers which templates the workflow of an Experiment names.
    pub fn names_templates(&self, experiment: &ObjectRef, templates: BTreeSet<ObjectRef>) {
        self.named().insert(experiment.clone(), templates);
    }

    /// Forgets what was remembered of an Experiment that is gone.
    pub fn forget(&self, experiment: &ObjectRef) {
        self.named().remove(experiment);
    }

    fn named(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectRef, BTreeSet<ObjectRef>>> {
        // A panic while it was locked leaves the map whole: every change is one insertion or removal.
        self.named_templates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps all caches up for as long as it is polled, and sends every Experiment that a change concerns.
    pub async fn follow(&self, client: &Client, concerned: &UnboundedSender<ObjectRef>) {
        // The receiver is gone only when the controller stops.
        let send = |experiment: ObjectRef| drop(concerned.unbounded_send(experiment));
        let send_all = || {
            self.experiments
                .all()
                .into_iter()
                .for_each(|(e, _)| send(e))
        };
        let whole = |kind: Kind, config: watcher::Config| {
            move |namespace: Option<&str>| {
                watcher(api::<RawObject>(client, kind, namespace), config.clone()).boxed()
            }
        };
        let default = watcher::Config::default;
        let otel = default().fields(&format!("metadata.name={OTEL_CONFIG_MAP}"));

        let experiments = self.experiments.follow(
            whole(kinds::EXPERIMENT, default()),
            Observed::read,
            |change| match change {
                Change::Object {
                    object,
                    before,
                    after,
                } => {
                    let wanted = match (&before, &after) {
                        (Some(before), Some(after)) => after.differs_in_what_is_wanted(before),
                        _ => true,
                    };
                    if wanted {
                        send(object);
                    }
                }
                Change::Kind => send_all(),
            },
        );
        let agents =
            self.agents.follow(
                whole(kinds::AGENT, default()),
                fields,
                |change| match change {
                    Change::Object { object, .. } => self.who_refers(|of| of.agent == object, send),
                    Change::Kind => send_all(),
                },
            );
        let ai_gateways =
            self.ai_gateways
                .follow(
                    whole(kinds::AI_GATEWAY, default()),
                    fields,
                    |change| match change {
                        Change::Object { object, .. } => {
                            self.who_refers(|of| of.ai_gateway.as_ref() == Some(&object), send);
                        }
                        Change::Kind => send_all(),
                    },
                );
        let otel_configs = self.otel_configs.follow(
            whole(kinds::CONFIG_MAP, otel),
            fields,
            |change| match change {
                Change::Object { object, .. } => {
                    self.who_refers(|of| of.otel_config.contains(&object), send);
                }
                Change::Kind => send_all(),
            },
        );
        let templates = self.templates.follow(
            whole(kinds::TEMPLATE, default()),
            fields,
            |change| match change {
                Change::Object { object, .. } => self.who_names(&object).into_iter().for_each(send),
                Change::Kind => send_all(),
            },
        );
        let generated = self.generated.iter().map(|watched| {
            let open = |namespace: Option<&str>| {
                let config = default().labels(GENERATED_BY_US);
                let metadata: Api<PartialObjectMeta<DynamicObject>> =
                    api(client, watched.kind(), namespace);
                watcher(metadata, config).boxed()
            };
            watched.follow(open, Generated::read, |change| match change {
                Change::Object {
                    object,
                    before,
                    after,
                } => {
                    let owners: BTreeSet<_> = [before, after]
                        .into_iter()
                        .flatten()
                        .filter_map(|generated| generated.owner.clone())
                        .map(|owner| owner.name)
                        .collect();
                    for name in owners {
                        send(ObjectRef {
                            namespace: object.namespace.clone(),
                            name,
                        });
                    }
                }
                Change::Kind => send_all(),
            })
        });
        let about_workflows = default().fields("involvedObject.kind=TestWorkflow");
        let runs = self.runs.follow(
            whole(kinds::EVENT, about_workflows),
            RunEvent::read,
            |change| match change {
                Change::Object { object, after, .. } => {
                    if let Some(run) = after.as_deref().and_then(Option::as_ref) {
                        self.who_runs(&object.namespace, &run.workflow)
                            .into_iter()
                            .for_each(send);
                    }
                }
                Change::Kind => {}
            },
        );
        futures::join!(
            runs,
            experiments,
            agents,
            ai_gateways,
            otel_configs,
            templates,
            futures::future::join_all(generated)
        );
    }

    fn who_refers(
        &self,
        concerns: impl Fn(&testbench_core::resolve::Referenced) -> bool,
        send: impl Fn(ObjectRef),
    ) {
        for (object, observed) in self.experiments.all() {
            if let Ok(experiment) = &observed.experiment
                && concerns(&references(experiment, &self.operator_namespace))
            {
                send(object);
            }
        }
    }

    /// What Testkube tells of the runs of a workflow.
    #[must_use]
    pub fn runs_of(&self, workflow: &str) -> Vec<RunEvent> {
        let of_workflow =
            |run: &Option<RunEvent>| run.as_ref().is_some_and(|run| run.workflow == workflow);
        let runs = self.runs.select(of_workflow);
        runs.into_iter()
            .filter_map(|(_, run)| (*run).clone())
            .collect()
    }

    fn who_runs(&self, namespace: &str, workflow: &str) -> Option<ObjectRef> {
        let workflow = ObjectRef {
            namespace: namespace.to_owned(),
            name: workflow.to_owned(),
        };
        let watched = self.generated(TEST_WORKFLOW.api_version, TEST_WORKFLOW.kind)?;
        let owner = watched.get(&workflow).found()?.owner.clone()?;
        Some(ObjectRef {
            namespace: workflow.namespace,
            name: owner.name,
        })
    }

    fn who_names(&self, template: &ObjectRef) -> Vec<ObjectRef> {
        self.named()
            .iter()
            .filter(|(_, templates)| templates.contains(template))
            .map(|(experiment, _)| experiment.clone())
            .collect()
    }
}

fn api<K>(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
{
    let resource = kind.api_resource();
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

impl References for Stores {
    fn agent(&self, object: &ObjectRef) -> Lookup<Agent> {
        self.agents.get(object)
    }

    fn ai_gateway(&self, object: &ObjectRef) -> Lookup<AiGateway> {
        self.ai_gateways.get(object)
    }

    fn config_map(&self, object: &ObjectRef) -> Lookup<ConfigMap> {
        self.otel_configs.get(object)
    }

    fn template(&self, object: &ObjectRef) -> Lookup<Template> {
        self.templates.get(object)
    }
}

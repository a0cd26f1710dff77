//! Which Experiments a change concerns: every watch, and the way from what it brings to the Experiments that depend on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedSender;
use kube::Client;
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use testbench_core::resolve::{OTEL_CONFIG_MAP, ObjectRef, Referenced, references};

use super::observed::{Generated, Observed, fields};
use super::runs::RunEvent;
use super::stores::Stores;
use crate::kinds::{Kind, TEST_WORKFLOW};
use crate::raw::RawObject;
use crate::watch::{Change, Watched, api};

/// Selects what this operator has generated.
const GENERATED_BY_US: &str = "app.kubernetes.io/managed-by=testbench";

/// Keeps all caches up for as long as it is polled, and sends every Experiment that a change concerns.
pub(super) async fn follow(
    stores: &Stores,
    client: &Client,
    concerned: &UnboundedSender<ObjectRef>,
) {
    let follow = Follow {
        stores,
        client,
        concerned,
    };
    let all = watcher::Config::default;
    let otel = all().fields(&format!("metadata.name={OTEL_CONFIG_MAP}"));
    let generated = stores.generated.iter();
    futures::join!(
        follow.experiments(),
        follow.referenced(&stores.agents, all(), |of, agent| of.agent == *agent),
        follow.referenced(&stores.ai_gateways, all(), |of, gateway| {
            of.ai_gateway.as_ref() == Some(gateway)
        }),
        follow.referenced(&stores.otel_configs, otel, |of, map| of
            .otel_config
            .contains(map)),
        follow.templates(),
        futures::future::join_all(generated.map(|watched| follow.generated(watched))),
        follow.runs(),
    );
}

struct Follow<'a> {
    stores: &'a Stores,
    client: &'a Client,
    concerned: &'a UnboundedSender<ObjectRef>,
}

impl Follow<'_> {
    async fn experiments(&self) {
        let experiments = &self.stores.experiments;
        let open = self.whole(experiments.kind(), watcher::Config::default());
        let follow = experiments.follow(open, Observed::read, |change| {
            self.send(change, |object, before, after| {
                // Our own status changes nothing that is wanted.
                let wanted = match (&before, &after) {
                    (Some(before), Some(after)) => after.differs_in_what_is_wanted(before),
                    _ => true,
                };
                wanted.then_some(object).into_iter().collect()
            });
        });
        follow.await;
    }

    /// A kind that Experiments name.
    async fn referenced<T>(
        &self,
        watched: &Watched<T>,
        config: watcher::Config,
        concerns: impl Fn(&Referenced, &ObjectRef) -> bool,
    ) where
        T: DeserializeOwned + PartialEq + std::fmt::Debug + Send + Sync + 'static,
    {
        let open = self.whole(watched.kind(), config);
        let follow = watched.follow(open, fields, |change| {
            self.send(change, |object, _, _| {
                self.who_refers(|of| concerns(of, &object))
            });
        });
        follow.await;
    }

    async fn templates(&self) {
        let templates = &self.stores.templates;
        let open = self.whole(templates.kind(), watcher::Config::default());
        let follow = templates.follow(open, fields, |change| {
            self.send(change, |template, _, _| self.who_names(&template));
        });
        follow.await;
    }

    async fn generated(&self, watched: &Watched<Generated>) {
        let open = |namespace: Option<&str>| {
            let config = watcher::Config::default().labels(GENERATED_BY_US);
            let metadata: Api<PartialObjectMeta<DynamicObject>> =
                api(self.client, watched.kind(), namespace);
            watcher(metadata, config).boxed()
        };
        let follow = watched.follow(open, Generated::read, |change| {
            self.send(change, |object, before, after| {
                let owners: BTreeSet<_> = [before, after]
                    .into_iter()
                    .flatten()
                    .filter_map(|generated| generated.owner.clone())
                    .map(|owner| owner.name)
                    .collect();
                let of = |name| ObjectRef {
                    namespace: object.namespace.clone(),
                    name,
                };
                owners.into_iter().map(of).collect()
            });
        });
        follow.await;
    }

    /// Nobody waits for what Testkube tells, so whether it can be heard at all concerns nobody.
    async fn runs(&self) {
        let runs = &self.stores.runs;
        let about_workflows = watcher::Config::default().fields("involvedObject.kind=TestWorkflow");
        let open = self.whole(runs.kind(), about_workflows);
        let follow = runs.follow(open, RunEvent::read, |change| {
            if matches!(change, Change::Kind) {
                return;
            }
            self.send(change, |event, _, run| {
                let run = run.as_deref().and_then(Option::as_ref);
                let of = run.and_then(|run| self.who_runs(&event.namespace, &run.workflow));
                of.into_iter().collect()
            });
        });
        follow.await;
    }

    /// A watch of whole objects.
    fn whole(
        &self,
        kind: Kind,
        config: watcher::Config,
    ) -> impl Fn(
        Option<&str>,
    )
        -> futures::stream::BoxStream<'static, watcher::Result<watcher::Event<RawObject>>> {
        move |namespace| watcher(api(self.client, kind, namespace), config.clone()).boxed()
    }

    /// Sends whom a change of an object concerns; whether a kind is there at all concerns everybody.
    fn send<T>(
        &self,
        change: Change<T>,
        whom: impl FnOnce(ObjectRef, Option<Arc<T>>, Option<Arc<T>>) -> Vec<ObjectRef>,
    ) {
        let experiments = match change {
            Change::Object {
                object,
                before,
                after,
            } => whom(object, before, after),
            Change::Kind => {
                let all = self.stores.experiments.all().into_iter();
                all.map(|(experiment, _)| experiment).collect()
            }
        };
        for experiment in experiments {
            // The receiver is gone only when the controller stops.
            let _ = self.concerned.unbounded_send(experiment);
        }
    }

    fn who_refers(&self, concerns: impl Fn(&Referenced) -> bool) -> Vec<ObjectRef> {
        let refers = |observed: &Observed| {
            observed.experiment.as_ref().is_ok_and(|experiment| {
                concerns(&references(experiment, &self.stores.operator_namespace))
            })
        };
        let experiments = self.stores.experiments.select(refers).into_iter();
        experiments.map(|(experiment, _)| experiment).collect()
    }

    fn who_names(&self, template: &ObjectRef) -> Vec<ObjectRef> {
        self.stores
            .named()
            .iter()
            .filter(|(_, templates)| templates.contains(template))
            .map(|(experiment, _)| experiment.clone())
            .collect()
    }

    fn who_runs(&self, namespace: &str, workflow: &str) -> Option<ObjectRef> {
        let workflow = ObjectRef {
            namespace: namespace.to_owned(),
            name: workflow.to_owned(),
        };
        let generated = self
            .stores
            .generated(TEST_WORKFLOW.api_version, TEST_WORKFLOW.kind)?;
        let owner = generated.get(&workflow).found()?.owner.clone()?;
        Some(ObjectRef {
            namespace: workflow.namespace,
            name: owner.name,
        })
    }
}

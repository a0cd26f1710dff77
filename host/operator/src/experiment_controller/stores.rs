//! The caches of everything that Experiments depend on.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use testbench_core::resolve::{
    Agent, AiGateway, ConfigMap, Lookup, ObjectRef, References, Template,
};

use super::healing::Healing;
use super::observed::{Generated, Observed};
use super::runs::RunEvent;
use crate::kinds::{self, GENERATED, Kind};
use crate::plugin_controller::observed::ObservedPlugin;
use crate::watch::{Listing, Namespaces, Watched};

/// All caches. They are the only ones: whatever is decided is decided from here.
#[derive(Debug)]
pub struct Stores {
    /// What the operator serves.
    pub experiments: Watched<Observed>,
    pub(super) agents: Watched<Agent>,
    pub(super) ai_gateways: Watched<AiGateway>,
    pub(super) otel_configs: Watched<ConfigMap>,
    pub(super) templates: Watched<Template>,
    /// Phases of teams' own.
    pub phase_plugins: Watched<ObservedPlugin>,
    /// In the order of [`GENERATED`], and then what the administrator lets plugins generate.
    pub(super) generated: Vec<Watched<Generated>>,
    /// Not waited for, and not asked whether it is complete: it is only reported.
    pub(super) runs: Watched<Option<RunEvent>>,
    pub(super) operator_namespace: String,
    /// How often objects were put back lately.
    pub(super) healing: Healing,
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
        further_kinds: &[Kind],
    ) -> Self {
        let generated = GENERATED.iter().chain(further_kinds);
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
            phase_plugins: Watched::new(kinds::PHASE_PLUGIN, &with_own),
            generated: generated
                .map(|kind| Watched::new(*kind, namespaces))
                .collect(),
            runs: Watched::new(
                kinds::EVENT,
                &Namespaces::Named(vec![testkube_namespace.to_owned()]),
            ),
            operator_namespace: operator_namespace.to_owned(),
            healing: Healing::default(),
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
        note(self.phase_plugins.kind(), self.phase_plugins.listing());
        for generated in &self.generated {
            note(generated.kind(), generated.listing());
        }
        pending
    }

    /// The Experiments in one namespace, or in all.
    #[must_use]
    pub fn experiments_in(&self, namespace: Option<&str>) -> Vec<ObjectRef> {
        let all = self.experiments.all().into_iter().map(|(object, _)| object);
        all.filter(|object| namespace.is_none_or(|namespace| object.namespace == namespace))
            .collect()
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
        self.phase_plugins.settled().await;
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

    pub(super) fn named(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<ObjectRef, BTreeSet<ObjectRef>>> {
        // A panic while it was locked leaves the map whole: every change is one insertion or removal.
        self.named_templates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

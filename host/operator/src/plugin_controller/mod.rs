//! Keeps PhasePlugins served: gets their components, compiles and checks them beside the ones that run, and puts the newest good one
//! in place.
//!
//! The folder is the way of the data: [`mod@observed`], `fetch`, `load` with [`cache`] and [`compile`]; what came of it is the
//! [`outcome`], from which [`status`] and `report` follow.

pub mod cache;
pub mod compile;
pub(crate) mod fetch;
mod load;
pub mod observed;
pub mod outcome;
mod report;
pub mod status;
mod watches;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use kube::Client;
use kube::runtime::controller::Action;
use testbench_api::{BundledSource, OciSource, PhasePluginSpec, PluginSource};
use testbench_core::config::PluginConfig;
use testbench_core::resolve::{Lookup, ObjectRef};
use testbench_core::slots::{CustomPhase, Registered, Unused, why_unused};
use testbench_engine::Plugin;
use tracing::Instrument as _;

use self::cache::Cache;
use self::compile::Compiler;
use self::load::Loader;
use self::observed::ObservedPlugin;
use self::outcome::{PluginFailure, PluginOutcome, Step};
use self::report::Reports;
use self::watches::ConfigMapWatches;
use crate::backoff::BackOff;
use crate::experiment_controller::stores::Stores;
use crate::kinds::PHASE_PLUGIN;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::work::{Worker, work};

/// PhasePlugins that are looked at at the same time.
const CONCURRENCY: u16 = 4;
/// How long until a PhasePlugin is looked at again although nothing happened.
const RESYNC: Duration = Duration::from_secs(600);
/// How often a tag is looked at where the PhasePlugin does not say.
const POLL: Duration = Duration::from_secs(300);
/// Longest time that looking at one may take, fetching and compiling included, and waiting for the compiler.
const DEADLINE: Duration = Duration::from_secs(300);
/// Between two Experiments that a changed plugin concerns: they are worked on one after the other, not all at once.
const SPREAD: Duration = Duration::from_millis(20);

/// What looking at PhasePlugins needs.
pub struct PluginContext {
    /// Reads ConfigMaps, and writes status and Events.
    pub client: Client,
    /// What the cluster holds.
    pub stores: Arc<Stores>,
    /// What serves.
    pub plugins: Arc<Plugins>,
    /// What is counted and timed.
    pub metrics: Arc<Metrics>,
    /// What the administrator allows.
    pub config: PluginConfig,
    /// The operator's own namespace, whose PhasePlugins serve all.
    pub operator_namespace: String,
    /// Components on disk.
    pub cache: Cache,
    /// Compiles components.
    pub compiler: Compiler,
    /// The registries that the administrator allows.
    pub registries: testbench_registry::Client,
}

impl std::fmt::Debug for PluginContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginContext").finish_non_exhaustive()
    }
}

/// What is known of a source.
#[derive(Debug, Default)]
struct Source {
    /// Of the component.
    digest: Option<String>,
    /// The reference by digest.
    resolved: Option<String>,
    /// When it is looked at again without a change.
    next: Option<Duration>,
}

struct Controller {
    client: Client,
    stores: Arc<Stores>,
    plugins: Arc<Plugins>,
    metrics: Arc<Metrics>,
    config: PluginConfig,
    operator_namespace: String,
    registries: testbench_registry::Client,
    loader: Loader,
    reports: Reports,
    backoff: BackOff,
    config_maps: ConfigMapWatches,
    /// Experiments to compose anew.
    concerned: UnboundedSender<ObjectRef>,
}

/// Looks at PhasePlugins until `shutdown` is done. Whoever finds that one has to be looked at sends it through `changed`, whose other
/// end is `requests`; Experiments that a plugin concerns go to `concerned`.
pub async fn run(
    context: PluginContext,
    changed: UnboundedSender<ObjectRef>,
    requests: UnboundedReceiver<ObjectRef>,
    concerned: UnboundedSender<ObjectRef>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let PluginContext {
        client,
        stores,
        plugins,
        metrics,
        config,
        operator_namespace,
        cache,
        compiler,
        registries,
    } = context;
    let (listed, watched) = (stores.clone(), client.clone());
    let controller = Arc::new(Controller {
        loader: Loader::new(plugins.host().engine.clone(), cache, compiler),
        reports: Reports::new(client.clone()),
        backoff: BackOff::default(),
        config_maps: ConfigMapWatches::new(client.clone(), changed.clone()),
        client,
        stores,
        plugins,
        metrics,
        config,
        operator_namespace,
        registries,
        concerned,
    });
    let follow = watches::follow(&listed, &watched, &controller.operator_namespace, &changed);
    let work = work(
        PHASE_PLUGIN,
        CONCURRENCY,
        requests.take_until(shutdown),
        controller.clone(),
    );
    futures::pin_mut!(follow, work);
    futures::future::select(follow, work).await;
}

impl Worker for Controller {
    fn knows(&self, object: &ObjectRef) -> bool {
        let is_there = self.stores.phase_plugins.get(object).found().is_some();
        if !is_there {
            self.backoff.reset(object);
            self.config_maps.forget(object);
            if let Some(uid) = self.plugins.forget(object) {
                self.loader.cache().forget(&uid);
            }
            // Also where it was never looked at: Experiments may wait for that.
            self.concern(object);
        }
        is_there
    }

    fn work(self: Arc<Self>, object: ObjectRef) -> BoxFuture<'static, Action> {
        let span = tracing::error_span!(parent: None, "phase plugin", %object);
        let (task, of) = (self.clone(), object.clone());
        let task = tokio::spawn(async move { task.attempt(&of).await }.instrument(span));
        async move {
            task.await.unwrap_or_else(|error| {
                tracing::error!(%object, %error, "looking at a PhasePlugin panicked; this is a defect of testbench, please report it");
                Action::requeue(self.backoff.next(&object))
            })
        }
        .boxed()
    }
}

impl Controller {
    async fn attempt(&self, object: &ObjectRef) -> Action {
        let Lookup::Found(observed) = self.stores.phase_plugins.get(object) else {
            return Action::await_change();
        };
        if self.plugins.served(object, &observed.uid).is_none() {
            self.serve_last_good(object, &observed).await;
        }
        let start = Instant::now();
        let look = tokio::time::timeout(DEADLINE, self.look(object, &observed)).await;
        let outcome = look.unwrap_or_else(|_elapsed| {
            let message = format!("it took longer than {} s", DEADLINE.as_secs());
            let failure = PluginFailure::transient(Step::Fetch, "FetchFailed", message);
            self.failed(object, &observed, Source::default(), failure)
        });
        self.metrics.observe_plugin(&outcome, start.elapsed());
        self.put_in_place(&observed, &outcome);
        let reported = self
            .reports
            .publish(&self.stores, object, &observed, &outcome)
            .await;
        if let Err(error) = reported {
            let error = testbench_core::error::with_causes(&error);
            tracing::warn!(error, "failed to write the status");
            return Action::requeue(self.backoff.next(object));
        }
        let is_transient = outcome
            .failure
            .as_ref()
            .is_some_and(|failure| failure.is_transient);
        if is_transient {
            return Action::requeue(self.backoff.next(object));
        }
        self.backoff.reset(object);
        Action::requeue(outcome.next.unwrap_or(RESYNC))
    }

    /// What served before this process started, so that nothing waits for a source that answers late or never.
    async fn serve_last_good(&self, object: &ObjectRef, observed: &ObservedPlugin) {
        let Ok(spec) = &observed.spec else { return };
        let Some(digest) = self.loader.cache().last_good(&observed.uid) else {
            return;
        };
        let Some(Ok(plugin)) = self.loader.load_cached(&digest).await else {
            return;
        };
        if let Ok(custom) = self.custom(object, spec, plugin) {
            self.plugins.serve(&observed.uid, Arc::new(custom));
            self.concern(object);
        }
    }

    async fn look(&self, object: &ObjectRef, observed: &ObservedPlugin) -> PluginOutcome {
        let spec = match self.accepted(object, observed) {
            Ok(spec) => spec,
            Err(failure) => return self.failed(object, observed, Source::default(), failure),
        };
        self.config_maps
            .follow(object, spec.source.config_map.as_ref());
        let mut source = Source::default();
        let plugin = self.plugin(object, &spec.source, &mut source).await;
        match plugin.and_then(|plugin| self.custom(object, spec, plugin)) {
            Ok(custom) => PluginOutcome {
                digest: source.digest,
                resolved: source.resolved,
                serving: Some(Arc::new(custom)),
                failure: None,
                next: source.next,
            },
            Err(failure) => self.failed(object, observed, source, failure),
        }
    }

    fn accepted<'a>(
        &self,
        object: &ObjectRef,
        observed: &'a ObservedPlugin,
    ) -> Result<&'a PhasePluginSpec, PluginFailure> {
        let lasting =
            |reason, message: String| PluginFailure::lasting(Step::Accept, reason, message);
        let (own, tenants) = (&self.operator_namespace, self.config.tenants);
        let exists = |object: &_| self.stores.phase_plugins.get(object).found().is_some();
        if let Some(unused) = why_unused(object, own, tenants, exists) {
            let reason = match &unused {
                Unused::TenantsDisabled { .. } => "TenantsDisabled",
                Unused::NameTaken { .. } => "NameTaken",
            };
            return Err(lasting(reason, unused.to_string()));
        }
        observed.spec.as_ref().map_err(|why| {
            let message = format!(
                "the stored PhasePlugin does not fit the API: {why}; apply it again, corrected"
            );
            lasting("Unreadable", message)
        })
    }

    /// What is found out on the way stands in `known`, also where it ends early.
    async fn plugin(
        &self,
        object: &ObjectRef,
        source: &PluginSource,
        known: &mut Source,
    ) -> Result<Plugin, PluginFailure> {
        let PluginSource {
            oci,
            config_map,
            bundled,
        } = source;
        let namespace = &object.namespace;
        if let Some(source) = oci {
            return self.in_registry(namespace, source, known).await;
        }
        if let Some(source) = config_map {
            let found = fetch::from_config_map(&self.client, &self.config, namespace, source);
            let wasm = found.await?;
            known.digest = Some(testbench_engine::digest(&wasm));
            return self.loader.load(&wasm).await;
        }
        let template = self.plugins.host().catalog.template();
        let template = bundled.and_then(|BundledSource::Template| template.cloned());
        known.digest = template.as_ref().map(|plugin| plugin.digest().to_owned());
        template.ok_or_else(|| {
            let message = "this operator has no bundled template";
            PluginFailure::lasting(Step::Fetch, "TemplateMissing", message)
        })
    }

    async fn in_registry(
        &self,
        namespace: &str,
        source: &OciSource,
        known: &mut Source,
    ) -> Result<Plugin, PluginFailure> {
        let seconds = source.poll_interval_seconds.map(u64::from);
        // Also where it ends early: what a tag names may be corrected.
        known.next = Some(seconds.map_or(POLL, Duration::from_secs));
        let found = fetch::resolve(&self.client, &self.registries, namespace, source).await?;
        if !found.may_move {
            known.next = None;
        }
        known.digest = Some(found.digest.clone());
        known.resolved = Some(found.resolved.clone());
        // The manifest was asked for with this namespace's own credentials: what is in the cache may be used.
        if let Some(loaded) = self.loader.load_cached(&found.digest).await {
            return loaded;
        }
        let wasm = fetch::fetch(&self.registries, &found).await?;
        self.loader.load(&wasm).await
    }

    fn custom(
        &self,
        object: &ObjectRef,
        spec: &PhasePluginSpec,
        plugin: Plugin,
    ) -> Result<CustomPhase, PluginFailure> {
        let registered = Registered::custom(object, spec, plugin, &self.config);
        let registered = registered.map_err(|error| PluginFailure::from(&error))?;
        Ok(CustomPhase {
            object: object.clone(),
            spec: spec.clone(),
            component: Ok(Arc::new(registered)),
        })
    }

    /// What served goes on serving.
    fn failed(
        &self,
        object: &ObjectRef,
        observed: &ObservedPlugin,
        source: Source,
        failure: PluginFailure,
    ) -> PluginOutcome {
        let served = self.plugins.served(object, &observed.uid);
        let good = served.filter(|custom| custom.component.is_ok());
        // Experiments are told which component: a tag, or a ConfigMap, may hold another one by now.
        let of = source.digest.as_ref().map(|digest| format!(" ({digest})"));
        let serving = good.unwrap_or_else(|| {
            Arc::new(CustomPhase {
                object: object.clone(),
                spec: observed.spec.clone().unwrap_or_default(),
                component: Err(failure.message.clone() + &of.unwrap_or_default()),
            })
        });
        PluginOutcome {
            digest: source.digest,
            resolved: source.resolved,
            serving: Some(serving),
            failure: Some(failure),
            next: source.next,
        }
    }

    fn put_in_place(&self, observed: &ObservedPlugin, outcome: &PluginOutcome) {
        let Some(custom) = &outcome.serving else {
            return;
        };
        let object = &custom.object;
        let before = self.plugins.served(object, &observed.uid);
        if before
            .as_deref()
            .is_some_and(|before| is_same(before, custom))
        {
            return;
        }
        self.plugins.serve(&observed.uid, custom.clone());
        self.loader.retain(|digest| self.plugins.is_serving(digest));
        if let Ok(registered) = &custom.component {
            let digest = registered.plugin.digest();
            if let Err(error) = self.loader.cache().set_last_good(&observed.uid, digest) {
                tracing::warn!(%error, "failed to remember the last good digest; a restart may have to wait for its source");
            }
        }
        self.concern(object);
    }

    /// Sends the Experiments that the PhasePlugin may serve, one after the other.
    fn concern(&self, object: &ObjectRef) {
        let serves_all = object.namespace == self.operator_namespace;
        let namespace = (!serves_all).then_some(object.namespace.as_str());
        let experiments = self.stores.experiments_in(namespace);
        let concerned = self.concerned.clone();
        tokio::spawn(async move {
            for experiment in experiments {
                // The receiver is gone only when the operator stops.
                let _ = concerned.unbounded_send(experiment);
                tokio::time::sleep(SPREAD).await;
            }
        });
    }
}

/// Whether Experiments would be composed alike.
fn is_same(a: &CustomPhase, b: &CustomPhase) -> bool {
    let component = |custom: &CustomPhase| match &custom.component {
        Ok(registered) => Ok((
            registered.plugin.digest().to_owned(),
            registered.limits,
            registered.grants.clone(),
        )),
        Err(why) => Err(why.clone()),
    };
    a.spec == b.spec && component(a) == component(b)
}

//! What is counted and timed, under the names and labels of controller-runtime where it has them. Labels are bounded: outcomes, phases
//! and causes, never objects.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::experiment_controller::CONCURRENCY;
use crate::experiment_controller::outcome::{Applied, Failure, Outcome, Retry};
use crate::plugin_controller::outcome::PluginOutcome;

const CONTROLLER: &str = "experiment";
const PLUGIN_CONTROLLER: &str = "phaseplugin";

/// Everything that is counted and timed.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ByResult, Counter>,
    errors: Family<ByReason, Counter>,
    seconds: Family<ByController, Histogram>,
    active: Family<ByController, Gauge>,
    queue_depth: Family<ByQueue, Gauge>,
    queue_adds: Family<ByQueue, Counter>,
    queue_seconds: Family<ByQueue, Histogram>,
    retries: Family<ByQueue, Counter>,
    status_failures: Family<ByController, Counter>,
    phase_seconds: Family<ByPhase, Histogram>,
    phase_failures: Family<ByCause, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByController {
    controller: &'static str,
}

/// controller-runtime gives a queue the name of its controller, twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByQueue {
    name: &'static str,
    controller: &'static str,
}

const QUEUE: ByQueue = ByQueue {
    name: CONTROLLER,
    controller: CONTROLLER,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    controller: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    controller: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPhase {
    phase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCause {
    phase: String,
    cause: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            reconciles: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
            active: Family::default(),
            queue_depth: Family::default(),
            queue_adds: Family::default(),
            queue_seconds: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
            retries: Family::default(),
            status_failures: Family::default(),
            phase_seconds: Family::new_with_constructor(|| Histogram::new(PHASE_BUCKETS)),
            phase_failures: Family::default(),
        };
        let registry = &mut metrics.registry;
        // Counters get `_total` where they are written out.
        registry.register(
            "controller_runtime_reconcile",
            "Reconciles by what came of them",
            metrics.reconciles.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Reconciles that failed, by the reason that the status gives",
            metrics.errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Time of a reconcile",
            metrics.seconds.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Reconciles that go on now",
            metrics.active.clone(),
        );
        let limit: Family<ByController, Gauge> = Family::default();
        let controller = ByController {
            controller: CONTROLLER,
        };
        limit.get_or_create(&controller).set(CONCURRENCY.into());
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Reconciles that may go on at the same time",
            limit,
        );
        registry.register(
            "workqueue_depth",
            "Experiments that wait for a reconcile",
            metrics.queue_depth.clone(),
        );
        registry.register(
            "workqueue_adds",
            "Experiments that were due for a reconcile",
            metrics.queue_adds.clone(),
        );
        registry.register(
            "workqueue_queue_duration_seconds",
            "Time that an Experiment waited for a reconcile",
            metrics.queue_seconds.clone(),
        );
        registry.register(
            "workqueue_retries",
            "Reconciles that are tried again after a pause that grows",
            metrics.retries.clone(),
        );
        registry.register(
            "testbench_status_write_failures",
            "Statuses that could not be written",
            metrics.status_failures.clone(),
        );
        registry.register(
            "testbench_phase_invocation_time_seconds",
            "Time of one call of the plugin of a phase, waiting for its turn included",
            metrics.phase_seconds.clone(),
        );
        registry.register(
            "testbench_phase_failures",
            "Phases that gave no contribution to a reconcile, by cause",
            metrics.phase_failures.clone(),
        );
        metrics
    }
}

/// Upper ends, in seconds. The deadline of a reconcile is the last.
const RECONCILE_BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];
/// Upper ends, in seconds. The wall-clock limit of a call is the last.
const PHASE_BUCKETS: [f64; 9] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.2, 1.0, 5.0];

/// Counts a reconcile as one that goes on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Active(Gauge);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// A reconcile begins.
    pub(crate) fn active(&self) -> Active {
        let controller = ByController {
            controller: CONTROLLER,
        };
        let gauge = self.active.get_or_create_owned(&controller);
        gauge.inc();
        Active(gauge)
    }

    /// An Experiment is due, and now so many wait.
    pub(crate) fn queued(&self, depth: usize) {
        self.queue_adds.get_or_create(&QUEUE).inc();
        self.set_queue_depth(depth);
    }

    /// The turn of an Experiment has come, and now so many wait.
    pub(crate) fn dequeued(&self, depth: usize, waited: Duration) {
        let seconds = self.queue_seconds.get_or_create(&QUEUE);
        seconds.observe(waited.as_secs_f64());
        self.set_queue_depth(depth);
    }

    /// So many wait.
    pub(crate) fn set_queue_depth(&self, depth: usize) {
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        self.queue_depth.get_or_create(&QUEUE).set(depth);
    }

    /// A reconcile is tried again after a pause that grows.
    pub(crate) fn retried(&self) {
        self.retries.get_or_create(&QUEUE).inc();
    }

    /// A status could not be written.
    pub(crate) fn status_write_failed(&self) {
        let controller = ByController {
            controller: CONTROLLER,
        };
        self.status_failures.get_or_create(&controller).inc();
    }

    /// A reconcile is over.
    pub fn observe(&self, outcome: &Outcome, took: Duration) {
        let controller = CONTROLLER;
        let result = match &outcome.result {
            Ok(applied) => {
                self.observe_phases(applied);
                "success"
            }
            Err(failure) => {
                self.observe_failure(failure);
                match failure.retry {
                    Retry::OnEvent | Retry::After(_) => "requeue_after",
                    Retry::OnChange | Retry::Seldom | Retry::BackOff => "error",
                }
            }
        };
        self.count(controller, result, took);
    }

    fn count(&self, controller: &'static str, result: &'static str, took: Duration) {
        let by_result = ByResult { controller, result };
        self.reconciles.get_or_create(&by_result).inc();
        let by_controller = ByController { controller };
        let seconds = self.seconds.get_or_create(&by_controller);
        seconds.observe(took.as_secs_f64());
    }

    /// A PhasePlugin has been looked at.
    pub(crate) fn observe_plugin(&self, outcome: &PluginOutcome, took: Duration) {
        let controller = PLUGIN_CONTROLLER;
        let result = match &outcome.failure {
            None => "success",
            Some(failure) => {
                let reason = failure.reason;
                let by_reason = ByReason { controller, reason };
                self.errors.get_or_create(&by_reason).inc();
                "error"
            }
        };
        self.count(controller, result, took);
    }

    fn observe_phases(&self, applied: &Applied) {
        for phase in &applied.phases {
            let by_phase = ByPhase {
                phase: phase.name.clone(),
            };
            let seconds = self.phase_seconds.get_or_create(&by_phase);
            seconds.observe(phase.took.as_secs_f64());
        }
    }

    fn observe_failure(&self, failure: &Failure) {
        let by_reason = ByReason {
            controller: CONTROLLER,
            reason: failure.reason.as_str(),
        };
        self.errors.get_or_create(&by_reason).inc();
        for (phase, cause) in &failure.phases {
            let by_cause = ByCause {
                phase: phase.clone(),
                cause,
            };
            self.phase_failures.get_or_create(&by_cause).inc();
        }
    }

    /// In the OpenMetrics text format.
    ///
    /// # Errors
    ///
    /// Where a label cannot be written, which none of ours is.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use testbench_core::pipeline::FilledPhase;

    use super::*;
    use crate::experiment_controller::outcome::{Changes, Reason};
    use crate::plugin_controller::outcome::{PluginFailure, Step};

    #[test]
    fn outcomes_are_counted_under_names_that_dashboards_know() {
        let metrics = Metrics::default();
        let took = Duration::from_millis(3);
        let applied = Applied {
            mode: "inline",
            phases: vec![FilledPhase {
                name: "run".to_owned(),
                plugin: "run 0.1.0".to_owned(),
                digest: "sha256:0".to_owned(),
                log: (Vec::new(), 0),
                took,
            }],
            findings: Vec::new(),
            missing_kind: None,
            template_problems: Vec::new(),
        };
        let failure = Failure {
            reason: Reason::PhaseFailed,
            message: String::new(),
            retry: Retry::BackOff,
            phases: vec![("evaluate".to_owned(), "CpuLimit")],
        };
        let active = metrics.active();
        for result in [Ok(applied), Err(failure)] {
            let outcome = Outcome {
                agent: None,
                changes: Changes::default(),
                result,
            };
            metrics.observe(&outcome, took);
        }
        let plugin = |failure| PluginOutcome {
            digest: None,
            resolved: None,
            serving: None,
            failure,
            next: None,
        };
        let broken = PluginFailure::lasting(Step::Check, "ImportRefused", "why");
        for failure in [None, Some(broken)] {
            metrics.observe_plugin(&plugin(failure), took);
        }
        let text = metrics.text().unwrap();
        for line in [
            r#"controller_runtime_reconcile_total{controller="phaseplugin",result="success"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="phaseplugin",reason="ImportRefused"} 1"#,
            r#"controller_runtime_reconcile_total{controller="experiment",result="success"} 1"#,
            r#"controller_runtime_reconcile_total{controller="experiment",result="error"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="experiment",reason="PhaseFailed"} 1"#,
            r#"controller_runtime_reconcile_time_seconds_count{controller="experiment"} 2"#,
            r#"controller_runtime_active_workers{controller="experiment"} 1"#,
            r#"testbench_phase_invocation_time_seconds_count{phase="run"} 1"#,
            r#"testbench_phase_failures_total{phase="evaluate",cause="CpuLimit"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(active);
        let idle = r#"controller_runtime_active_workers{controller="experiment"} 0"#;
        assert!(metrics.text().unwrap().contains(idle));
    }
}

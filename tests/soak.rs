//! What failures leave behind in memory: next to nothing, however many there were. The short form; `make soak` runs the whole.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "the test is skipped")
)]

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

use serde_json::{Value, json};
use testbench_api::{LabelSelector, PhasePluginSpec, PluginPlacement};
use testbench_core::config::PluginConfig;
use testbench_core::render::{Manifests, Renderer, Source};
use testbench_core::resolve::ObjectRef;
use testbench_core::slots::{CustomPhase, Registered, SLOTS};
use testbench_engine::Plugin;
use testbench_hostile_guests::{Attack, Expect, Means, Told, corpus};
use testbench_test_guests::ECHO;
use testbench_tests::bundled_host;

/// Most that the process may have grown, in KiB.
const GROWTH: usize = 32 << 10;
/// Attacks that end by a limit of time; all others fail at once.
const TIMEOUTS: [&str; 2] = ["endless-loop", "host-call-flood"];
const OPERATOR_NAMESPACE: &str = "testbench-system";
const EXPERIMENT: &str = "
apiVersion: testbench.agentic-layer.ai/v1alpha1
kind: Experiment
metadata: {name: weather, namespace: demo}
spec:
  agentRef: {name: bot}
  env: [{name: OPENAI_BASE_URL, value: http://model}]
  dataset: {url: http://data/weather.json}
---
apiVersion: runtime.agentic-layer.ai/v1alpha1
kind: Agent
metadata: {name: bot, namespace: demo}
";

#[cfg(not(target_os = "linux"))]
#[test]
fn failures_leave_no_memory_behind() {
    println!("skipped: it reads /proc, which only Linux has");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn failures_leave_no_memory_behind() {
    let (failures, timeouts) = (number("SOAK_FAILURES", 500), number("SOAK_TIMEOUTS", 3));
    let attacked = Attacked::start().await;
    let is_timeout = |attack: &&Attack| TIMEOUTS.contains(&attack.name.as_str());
    let (slow, fast): (Vec<_>, Vec<_>) = attacked.attacks.iter().partition(is_timeout);
    assert_eq!(slow.len(), TIMEOUTS.len());

    // Whatever is kept once is kept after this: pools, threads, buffers.
    attacked.fail(&fast, 2 * fast.len(), "warm-up").await;
    attacked.fail(&slow, slow.len(), "warm-up").await;
    let before = resident();
    attacked.fail(&fast, failures, "measured").await;
    attacked.fail(&slow, timeouts, "measured").await;
    let after = resident();
    println!(
        "{failures} failures and {timeouts} time-outs: {before} KiB before, {after} KiB after"
    );
    let grown = after.saturating_sub(before);
    assert!(grown <= GROWTH, "{grown} KiB more, {GROWTH} are the most");
}

/// From the environment.
fn number(variable: &str, short: usize) -> usize {
    env::var(variable).map_or(short, |text| text.parse().unwrap())
}

/// KiB of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let mut words = line.unwrap().split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}

/// A host, and the plugins that attack it.
struct Attacked {
    attacks: Vec<Attack>,
    renderer: Renderer,
    experiment: Value,
}

impl Attacked {
    /// With all of the corpus that fails when it is called.
    async fn start() -> Self {
        let host = bundled_host().await.unwrap();
        let fails = |attack: &Attack| matches!(attack.expect, Expect::ExperimentFails(_));
        let attacks: Vec<_> = corpus().unwrap().into_iter().filter(fails).collect();
        let echo = host.engine.load(ECHO).await.unwrap();
        let mut custom = Vec::new();
        for attack in &attacks {
            let phase = match &attack.means {
                Means::Component(wasm) => {
                    let plugin = host.engine.load(wasm).await.unwrap();
                    phase(attack, plugin, json!({}))
                }
                Means::Contribution(settings) => phase(attack, echo.clone(), settings.clone()),
            };
            custom.push(Arc::new(phase));
        }
        let source = Source {
            name: "input.yaml".to_owned(),
            text: EXPERIMENT.to_owned(),
        };
        let Manifests {
            mut experiments,
            references,
            ..
        } = Manifests::read(&[source]).unwrap();
        Self {
            attacks,
            renderer: Renderer {
                custom,
                ..Renderer::new(host, references, OPERATOR_NAMESPACE).unwrap()
            },
            experiment: experiments.remove(0).manifest,
        }
    }

    /// So many failures, of each attack in turn. Each is a request that was not made before: none is answered from memory.
    async fn fail(&self, attacks: &[&Attack], times: usize, label: &str) {
        for (i, attack) in attacks.iter().cycle().take(times).enumerate() {
            let mut manifest = self.experiment.clone();
            let number = format!("{label}-{i}");
            manifest["metadata"]["labels"] = json!({"attack": attack.name, "number": number});
            let calls = self.renderer.host.engine.calls();
            let error = self.renderer.render(manifest).await.unwrap_err().explain();
            for text in texts(attack) {
                assert!(error.contains(text), "{}: {error}", attack.name);
            }
            let phases = self.renderer.host.engine.calls() - calls;
            assert_eq!(phases, SLOTS.len() as u64 + 1, "{}", attack.name);
        }
    }
}

fn texts(attack: &Attack) -> &[String] {
    match &attack.expect {
        Expect::ExperimentFails(Told { says, .. }) => says,
        Expect::PluginRefused(_) | Expect::Harmless { .. } => &[],
    }
}

/// A phase that the Experiment with its label has.
fn phase(attack: &Attack, plugin: Plugin, settings: Value) -> CustomPhase {
    let object = ObjectRef {
        namespace: OPERATOR_NAMESPACE.to_owned(),
        name: attack.name.clone(),
    };
    let spec = PhasePluginSpec {
        placement: Some(PluginPlacement {
            after: Some("run".to_owned()),
            ..PluginPlacement::default()
        }),
        settings: Some(serde_json::from_value(settings).unwrap()),
        experiment_selector: Some(LabelSelector {
            match_labels: BTreeMap::from([("attack".to_owned(), attack.name.clone())]),
            ..LabelSelector::default()
        }),
        ..PhasePluginSpec::default()
    };
    let registered = Registered::custom(&object, &spec, plugin, &PluginConfig::default());
    CustomPhase {
        component: Ok(Arc::new(registered.unwrap())),
        object,
        spec,
    }
}

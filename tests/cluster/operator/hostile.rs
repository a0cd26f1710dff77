//! Plugins that attack: each ends as its file in `tests/guests/hostile/corpus/` says, writes nothing, and disturbs nobody. On a
//! control plane of its own, whose audit log then holds what one operator did, and nothing else.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{Either, join, select};
use serde_json::{Value, json};
use testbench_engine::digest;
use testbench_hostile_guests::{Attack, Expect, Guest, Means, Told, corpus};
use testbench_operator::kinds::{
    CONFIG_MAP, EXPERIMENT, PHASE_PLUGIN, TEST_TRIGGER, TEST_WORKFLOW,
};
use testbench_test_guests::ECHO;
use testbench_tests::control_plane::ControlPlane;

use super::plugins::{component, plugin, until_plugin};
use super::{
    Operated, USER, apply_file, condition, experiment, install_operator, neighbours, references,
    scenarios, wait_for_kinds,
};

static APART: LazyLock<ControlPlane> = LazyLock::new(|| {
    ControlPlane::start(super::super::binary()).unwrap_or_else(|error| panic!("{error}"))
});

/// The Experiment that has no plugin but the bundled ones.
const INNOCENT: &str = "innocent";
/// One that spins whenever its Experiment changes.
const SPINNING: &str = "endless-loop";
/// How often the innocent Experiment changes while others are attacked.
const CHANGES: usize = 10;

#[tokio::test]
async fn each_of_the_corpus_ends_as_its_file_says_and_disturbs_nobody() {
    let attacks = corpus().unwrap();
    let operated = under_attack(&attacks).await;
    let before = generated(&operated).await;
    let requests = operated.cluster.audit_events().unwrap().len();

    component(&operated, "echo", ECHO).await;
    for attack in &attacks {
        launch(&operated, attack).await;
    }
    let spun = AtomicUsize::new(0);
    let ends = async {
        for attack in &attacks {
            ends(&operated, attack).await;
        }
    };
    let done = join(ends, innocent_changes(&operated));
    match select(Box::pin(done), Box::pin(spin(&operated, &spun))).await {
        Either::Left(_) => {}
        Either::Right((never, _)) => match never {},
    }
    assert!(spun.load(Ordering::Relaxed) > 0, "nothing span meanwhile");

    let mut after = generated(&operated).await;
    for attack in &attacks {
        for key in keys(attack) {
            let start = format!("ConfigMap/{}-{key}-", attack.name);
            let new = after.keys().find(|name| name.starts_with(&start));
            let new = new.unwrap_or_else(|| panic!("there is no {start}"));
            after.remove(&new.clone());
        }
    }
    assert_eq!(after, before, "what was generated has changed");
    only_told(&operated, requests, &attacks);
}

/// An operator with an Experiment for each attack, and an innocent one: all of them ready.
async fn under_attack(attacks: &[Attack]) -> Operated {
    install_operator(&APART);
    for file in neighbours() {
        apply_file(&APART, &file);
    }
    wait_for_kinds(&APART);
    let operated = Operated::start_on(&APART).await;
    references(&operated).await;
    let names = attacks.iter().map(|attack| attack.name.as_str());
    for name in names.clone().chain([INNOCENT]) {
        change(&operated, name, "Hello").await;
    }
    for name in names.chain([INNOCENT]) {
        operated.until_ready(name).await;
    }
    operated
}

/// Applies the Experiment `name`, with this as what it asks its agent.
async fn change(operated: &Operated, name: &str, input: &str) {
    let mut manifest = experiment(name, json!({"scenarios": scenarios(input)}));
    manifest["metadata"]["labels"] = json!({"attack": name});
    operated.apply(manifest).await;
}

/// A PhasePlugin that the Experiment of the same name has, and no other.
async fn launch(operated: &Operated, attack: &Attack) {
    let name = &attack.name;
    let (map, settings) = match &attack.means {
        Means::Component(wasm) => {
            component(operated, name, wasm).await;
            (name.as_str(), json!({}))
        }
        Means::Contribution(settings) => ("echo", settings.clone()),
    };
    let spec = json!({
        "source": {"configMap": {"name": map, "key": "plugin.wasm"}},
        "experimentSelector": {"matchLabels": {"attack": name}},
        "settings": settings,
    });
    operated.apply(plugin(name, spec)).await;
}

/// Waits for what has to come of it.
async fn ends(operated: &Operated, attack: &Attack) {
    let name = &attack.name;
    let digest = digest(match &attack.means {
        Means::Component(wasm) => wasm,
        Means::Contribution(_) => ECHO,
    });
    match &attack.expect {
        Expect::PluginRefused(told) => {
            let refused = until_plugin(operated, name, "False", &told.reason).await;
            assert_eq!(refused["status"]["digest"], digest, "{name}");
            says(name, message(&refused), &told.says);
            let why = operated
                .until_condition(name, "Ready", "False", "PluginUnavailable")
                .await;
            let of = format!("PhasePlugin {}/{name} cannot serve", operated.name());
            let digest = format!("({digest})");
            says(name, &why, &[vec![of, digest], told.says.clone()].concat());
        }
        Expect::ExperimentFails(Told {
            reason,
            says: texts,
        }) => {
            let served = until_plugin(operated, name, "True", "Serving").await;
            assert_eq!(served["status"]["lastGoodDigest"], digest, "{name}");
            let why = operated
                .until_condition(name, "Ready", "False", reason)
                .await;
            let plugin = served["status"]["plugin"].as_str().unwrap();
            let of = format!("(plugin {plugin}, {digest})");
            says(
                name,
                &why,
                &[vec![format!("`{name}`"), of], texts.clone()].concat(),
            );
        }
        Expect::Harmless { .. } => {
            let served = until_plugin(operated, name, "True", "Serving").await;
            assert_eq!(served["status"]["lastGoodDigest"], digest, "{name}");
            operated
                .until(EXPERIMENT, name, "ready, with the phase", |experiment| {
                    let phases = experiment["status"]["phases"].as_array();
                    let mut phases = phases.into_iter().flatten();
                    phases.any(|phase| phase["name"] == **name)
                        && condition(experiment, "Ready")
                            .is_some_and(|ready| ready["status"] == "True")
                })
                .await;
        }
    }
}

fn message(object: &Value) -> &str {
    condition(object, "Ready").unwrap()["message"]
        .as_str()
        .unwrap()
}

fn says(name: &str, message: &str, texts: &[String]) {
    for text in texts {
        assert!(
            message.contains(text),
            "{name}: {text} is not in: {message}"
        );
    }
    assert!(message.len() <= 8 << 10, "{name}: {} bytes", message.len());
}

/// The innocent Experiment changes, and each time its objects follow.
async fn innocent_changes(operated: &Operated) {
    for round in 0..CHANGES {
        change(operated, INNOCENT, &format!("Hello {round}")).await;
        operated.until_ready(INNOCENT).await;
    }
}

/// Again and again, the spinning guest is called, and reaches its limit.
async fn spin(operated: &Operated, spun: &AtomicUsize) -> std::convert::Infallible {
    until_plugin(operated, SPINNING, "True", "Serving").await;
    loop {
        let round = spun.load(Ordering::Relaxed);
        change(operated, SPINNING, &format!("Spin {round}")).await;
        operated
            .until_condition(SPINNING, "Ready", "False", "PhaseFailed")
            .await;
        spun.fetch_add(1, Ordering::Relaxed);
    }
}

/// Versions of all objects of generated kinds, but for the innocent Experiment's and those that hold components.
async fn generated(operated: &Operated) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for kind in [CONFIG_MAP, TEST_WORKFLOW, TEST_TRIGGER] {
        let objects = operated.api(kind).list(&Default::default()).await.unwrap();
        for object in objects {
            let name = object.metadata.name.unwrap();
            let is_component = object.data.get("binaryData").is_some();
            if !is_component && !is_innocents(&name) {
                let version = object.metadata.resource_version.unwrap();
                versions.insert(format!("{}/{name}", kind.kind), version);
            }
        }
    }
    versions
}

fn is_innocents(name: &str) -> bool {
    name.strip_prefix(INNOCENT)
        .is_some_and(|rest| rest.starts_with('-'))
}

fn keys(attack: &Attack) -> &[String] {
    match &attack.expect {
        Expect::Harmless { keys } => keys,
        Expect::PluginRefused(_) | Expect::ExperimentFails(_) => &[],
    }
}

/// What the operator asked for beyond the first `before` requests was to look, to tell, and to write what it should; in the whole
/// cluster, and also where it was refused.
fn only_told(operated: &Operated, before: usize, attacks: &[Attack]) {
    let events = operated.cluster.audit_events().unwrap().split_off(before);
    let by_operator = events.iter().filter(|event| event.user.username == USER);
    for event in by_operator {
        let Some(object) = &event.object_ref else {
            panic!("{event:?}");
        };
        let is_look = matches!(event.verb.as_str(), "get" | "list" | "watch");
        let is_about = object.resource.as_str();
        assert_ne!(is_about, "secrets", "{event:?}");
        let is_status = object.subresource == "status"
            && [EXPERIMENT.plural, PHASE_PLUGIN.plural].contains(&is_about);
        let is_meant = attacks.iter().flat_map(|attack| {
            keys(attack)
                .iter()
                .map(move |key| format!("{}-{key}-", attack.name))
        });
        let is_wanted = is_innocents(&object.name)
            || is_meant
                .into_iter()
                .any(|start| object.name.starts_with(&start));
        let is_here = object.namespace == operated.name();
        assert!(
            is_look || (is_here && (is_status || is_about == "events" || is_wanted)),
            "{event:?}"
        );
    }
}

/// As [`testbench_operator::plugin_controller::compile`] limits the compiler, but so low that a test reaches it in seconds: KiB of
/// memory, and seconds.
const LIMITED: &str = r#"ulimit -d 262144 && ulimit -t 3 && exec "$@""#;

/// A few kilobytes that no compiler is done with in time, or in whatever memory there is.
#[tokio::test]
async fn what_would_compile_without_end_is_refused_and_others_are_served() {
    let mut operated = Operated::unattended().await;
    let unlimited = std::mem::take(&mut operated.compiler);
    let limited = ["sh", "-c", LIMITED, "sh"].map(Into::into);
    operated.compiler = [limited.to_vec(), unlimited].concat();
    operated.start_operator().await;
    references(&operated).await;
    change(&operated, INNOCENT, "Hello").await;
    operated.until_ready(INNOCENT).await;

    let bombs = [
        ("slow", nested_loops(320, 320), "signal: 9"),
        ("large", loops(20_000, 20_000), "memory allocation of"),
    ]
    .map(|(name, code, cause)| (name, Guest::default().globals(&code).wasm().unwrap(), cause));
    for (name, bomb, _) in &bombs {
        component(&operated, name, bomb).await;
        operated.apply(of(name, json!({}))).await;
    }
    component(&operated, "echo", ECHO).await;
    let steps = json!({"workflow": {"steps": [{"shell": "true"}]}});
    operated.apply(of("echo", steps)).await;
    until_plugin(&operated, "echo", "True", "Serving").await;
    for (name, bomb, cause) in &bombs {
        let refused = until_plugin(&operated, name, "False", "CompileFailed").await;
        assert_eq!(refused["status"]["digest"], digest(bomb), "{name}");
        let texts = [
            "the compiler ended by signal",
            "at most 120 s and 1024 MiB",
            cause,
        ];
        says(name, message(&refused), &texts.map(str::to_owned));
    }
    change(&operated, INNOCENT, "Hello again").await;
    operated.until_ready(INNOCENT).await;
}

/// A PhasePlugin of the component in the ConfigMap `name`, which no Experiment has.
fn of(name: &str, settings: Value) -> Value {
    let source = json!({"configMap": {"name": name, "key": "plugin.wasm"}});
    let nobody = json!({"matchLabels": {"attack": name}});
    plugin(
        name,
        json!({"source": source, "experimentSelector": nobody, "settings": settings}),
    )
}

/// A function in which each of `loops`, one in another, may see another value of each of `variables`.
fn nested_loops(loops: usize, variables: usize) -> String {
    let set = |i: usize| format!("(local.set {i} (i32.add (local.get {i}) (local.get 0)))");
    let sets = (1..=variables).map(set).collect::<String>();
    let (open, close) = ("(loop ", "(br_if 0 (local.get 0)))");
    function(
        variables,
        &(open.repeat(loops) + &sets + &close.repeat(loops)),
    )
}

/// The same with one loop behind another.
fn loops(loops: usize, variables: usize) -> String {
    let one = |i: usize| {
        let (to, from) = (i % variables + 1, i * 7 % variables + 1);
        format!(
            "(loop (local.set {to} (i32.add (local.get {from}) (i32.const {i}))) (br_if 0 (local.get 0)))"
        )
    };
    let read = |i: usize| format!("(local.set 0 (i32.xor (local.get 0) (local.get {i})))");
    let all = (0..loops).map(one).chain((1..=variables).map(read));
    function(variables, &all.collect::<String>())
}

fn function(variables: usize, body: &str) -> String {
    format!(
        "(func (param i32) (local {}) {body})",
        "i32 ".repeat(variables)
    )
}

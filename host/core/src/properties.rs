//! What the property tests share.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Number, Value};

/// The same cases in every run, so that a failure is everybody's and needs no file to be found again; a case worth keeping gets
/// a test with a name. To look further: `PROPTEST_RNG_SEED=1 PROPTEST_CASES=100000 cargo test`.
pub(crate) fn config(cases: u32) -> Config {
    let environment = Config::default();
    Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => environment.cases,
            None => cases,
        },
        rng_seed: match environment.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0),
            given @ RngSeed::Fixed(_) => given,
        },
        failure_persistence: None,
        ..environment
    }
}

/// How many of a hundred values of `strategy` are `good`: a property that few cases reach says little.
pub(crate) fn percent<S: Strategy>(strategy: &S, good: impl Fn(&S::Value) -> bool) -> usize {
    const DRAWN: usize = 500;
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(0),
        ..config(0)
    });
    let draw = |_| strategy.new_tree(&mut runner).unwrap().current();
    let found = (0..DRAWN).map(draw).filter(|value| good(value)).count();
    found * 100 / DRAWN
}

/// Any text that a manifest can hold, with what breaks careless code.
pub(crate) fn text() -> BoxedStrategy<String> {
    prop_oneof![
        8 => "[a-z]{0,6}",
        2 => any::<String>(),
        1 => "[\\PC]{0,8}",
        1 => prop::sample::select(vec![
            "{{ secrets }}", "../../etc", "a.b", "a[0]", "[]", "steps[]", "*", "**", "\u{0}", "\u{feff}", "\u{202e}", "~", "yes",
            "0x1F", "9223372036854775808", "a\r\nb", "%", "/", "~1", "'", "\"",
        ]).prop_map(str::to_owned),
    ]
    .boxed()
}

/// Any number that JSON holds, with the ends of all ranges.
pub(crate) fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-2_i64..3).prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
        prop::sample::select(vec![0.0, -0.0, 0.5, 1.0, 1e300, f64::MIN_POSITIVE])
            .prop_filter_map("finite", Number::from_f64),
    ]
}

/// Any JSON, with keys out of `keys`.
pub(crate) fn json(keys: impl Strategy<Value = String> + Clone + 'static) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => number().prop_map(Value::from),
        4 => text().prop_map(Value::from),
    ];
    let nested = move |inner: BoxedStrategy<Value>| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((keys.clone(), inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    };
    leaf.prop_recursive(5, 40, 5, nested).boxed()
}

//! What a plugin can do to its host: nothing. Each guest is a few lines of WAT.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::json;
use testbench_engine::{
    Call, CallError, Engine, EngineOptions, Limits, LoadError, LogLevel, Outcome, Plugin, native,
};
use testbench_hostile_guests::{ANSWER, DATA, Guest, answer};

/// One engine for all tests: what one guest does must not matter to another.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(EngineOptions::default()).unwrap());

fn call() -> Call {
    Call {
        phase: "run".into(),
        namespace: "ns".into(),
        settings: json!({}),
        input: json!({}),
        object_names: Arc::new(|key| (key == "ok").then(|| "experiment-ok".to_owned())),
        holder: "ns".into(),
        limits: Limits::default(),
    }
}

async fn load(guest: &Guest) -> Plugin {
    ENGINE.load(&guest.wasm().unwrap()).await.unwrap()
}

async fn run(guest: &Guest) -> Result<Outcome, CallError> {
    ENGINE.generate(&load(guest).await, call()).await
}

async fn fails(guest: &Guest) -> CallError {
    run(guest).await.unwrap_err()
}

#[tokio::test]
async fn a_plugin_that_behaves_is_described_and_answers() {
    let plugin = load(&Guest::answering(r#"{"steps":[]}"#)).await;
    assert_eq!(
        (
            plugin.descriptor().name.as_str(),
            plugin.descriptor().version.as_str()
        ),
        ("wat", "0.0.1")
    );
    assert!(plugin.digest().starts_with("sha256:") && plugin.digest().len() == 71);
    let contribution = ENGINE
        .generate(&plugin, call())
        .await
        .unwrap()
        .result
        .unwrap();
    assert_eq!(
        contribution.workflow,
        json!({"steps": []}).as_object().cloned()
    );
}

#[tokio::test]
async fn native_code_that_was_made_ahead_is_the_same_plugin() {
    let wasm = Guest::answering(r#"{"steps":[]}"#).wasm().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("native");
    std::fs::write(&file, native::compile(&wasm).unwrap()).unwrap();
    let digest = testbench_engine::digest(&wasm);
    let ahead = ENGINE.load_native(&digest, wasm.len(), &file).await;
    let (ahead, here) = (ahead.unwrap(), ENGINE.load(&wasm).await.unwrap());
    assert_eq!(format!("{ahead:?}"), format!("{here:?}"));
    let (ahead, here) = (
        ENGINE.generate(&ahead, call()),
        ENGINE.generate(&here, call()),
    );
    assert_eq!(ahead.await.unwrap().result, here.await.unwrap().result);

    // Another file: the first is mapped into memory.
    let other = folder.path().join("other");
    std::fs::write(&other, "something else").unwrap();
    let refused = ENGINE.load_native(&digest, wasm.len(), &other).await;
    assert!(matches!(refused, Err(LoadError::Compile(_))));
    assert!(matches!(
        native::compile(b"text"),
        Err(LoadError::NotAComponent { .. })
    ));
}

#[tokio::test]
async fn an_endless_loop_ends_by_the_cpu_limit() {
    let error = fails(&Guest::new("(loop (br 0))")).await;
    assert!(matches!(error, CallError::CpuLimit { .. }), "{error}");
    assert!(error.to_string().contains("CPU limit of 200 ms"), "{error}");
}

#[tokio::test]
async fn a_call_that_outlasts_its_wall_clock_limit_ends_by_it() {
    let plugin = load(&Guest::new("(loop (br 0))")).await;
    let limits = Limits {
        cpu: Duration::from_secs(3600),
        wall: Duration::from_millis(50),
        ..Limits::default()
    };
    let error = ENGINE
        .generate(&plugin, Call { limits, ..call() })
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::WallLimit { .. }), "{error}");
}

#[tokio::test]
async fn a_flood_of_host_calls_ends_by_a_limit_of_time() {
    let flood = Guest::new(&format!(
        "(loop (call $log (i32.const 0) (i32.const {DATA}) (i32.const 65536)) (br 0))"
    ));
    let error = fails(&flood).await;
    assert!(
        matches!(
            error,
            CallError::CpuLimit { .. } | CallError::WallLimit { .. }
        ),
        "{error}"
    );
}

/// Growth in one memory, in several, and in tables: the sum counts.
#[tokio::test]
async fn endless_growth_ends_by_the_memory_limit() {
    let grow = "(loop (drop (memory.grow (i32.const 16))) (br 0))";
    let one_of_several = |i: u32| format!("(drop (memory.grow $m{i} (i32.const 400)))");
    let several = (1..=2).map(one_of_several).collect::<String>();
    let table = "(loop (drop (table.grow $t (ref.null func) (i32.const 1024))) (br 0))";
    for (shows, guest) in [
        ("one memory", Guest::new(grow)),
        (
            "two memories of 26 MiB and one of 16 MiB",
            Guest::new(&format!("{several} (drop (memory.grow (i32.const 256)))"))
                .globals("(memory $m1 1) (memory $m2 1)"),
        ),
        ("a table", Guest::new(table).globals("(table $t 1 funcref)")),
    ] {
        let error = fails(&guest).await;
        assert!(
            matches!(error, CallError::MemoryLimit { .. }),
            "{shows}: {error}"
        );
    }
}

#[tokio::test]
async fn a_component_that_starts_with_too_much_memory_does_not_load() {
    let guest = Guest::new("").globals("(memory $m1 1024)");
    let error = ENGINE.load(&guest.wasm().unwrap()).await.unwrap_err();
    assert!(
        matches!(error, LoadError::Describe(CallError::MemoryLimit { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn deep_recursion_and_unreachable_code_are_traps_named_as_such() {
    let recursion = Guest::new("(call $deep)").globals("(func $deep (call $deep))");
    for (guest, cause) in [
        (recursion, "call stack exhausted"),
        (Guest::new("(unreachable)"), "unreachable"),
    ] {
        match fails(&guest).await {
            CallError::Trap { cause: found, .. } => assert!(found.contains(cause), "{found}"),
            other => panic!("expected a trap, found {other}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_before_it_is_parsed() {
    // A little over the limit by its text alone, and far over what the host lifts at all.
    for length in [(2 << 20) + 1, 3 << 20] {
        let error = fails(&Guest::new(&answer(0, length))).await;
        assert!(matches!(error, CallError::OutputLimit { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_refused_naming_the_part() {
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(64), "]".repeat(64));
    let wide = format!(r#"{{"a":[{}1]}}"#, "1,".repeat(50_000));
    for (answer, why) in [
        (deep.as_str(), "more than 64 levels deep"),
        (wide.as_str(), "more than 50000 values"),
        (r#"{"a":1,"a":2}"#, "key `a` is there twice"),
        ("[]", "must be a JSON object"),
        ("{", "EOF"),
    ] {
        match fails(&Guest::answering(answer)).await {
            CallError::InvalidOutput { at, why: found, .. } => {
                assert_eq!(at, "workflow");
                assert!(found.contains(why), "{found}");
            }
            other => panic!("expected a broken contract, found {other}"),
        }
    }
}

#[tokio::test]
async fn what_a_plugin_said_last_stands_in_its_error_and_beside_its_answer() {
    let says = format!("(call $log (i32.const 1) (i32.const {DATA}) (i32.const 5))");
    let guest = Guest::new(&says).data("hello");
    let outcome = run(&guest).await.unwrap();
    assert_eq!(outcome.written, "hello");
    let error = fails(&guest.with_body(&format!("{says} unreachable"))).await;
    assert!(error.to_string().ends_with("it wrote: hello"), "{error}");

    // Also where the answer is what is wrong: here it is the same text, which is no JSON.
    let answers = format!("{says} {}", answer(DATA, 5));
    let error = fails(&Guest::new(&answers).data("hello")).await;
    assert!(matches!(error, CallError::InvalidOutput { .. }), "{error}");
    assert!(error.to_string().ends_with("it wrote: hello"), "{error}");
}

#[tokio::test]
async fn a_call_is_charged_for_the_memory_that_it_takes() {
    let cost = async |body: &str| run(&Guest::new(body)).await.unwrap().cost;
    let before = cost("").await.memory;
    let after = cost("(drop (memory.grow (i32.const 16)))").await.memory;
    assert_eq!(after - before, 16 << 16);
}

#[tokio::test]
async fn a_huge_log_is_cut_and_counted() {
    let body = format!(
        "(local $i i32)
         (loop (call $log (i32.const 3) (i32.const {DATA}) (i32.const 2000))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if 0 (i32.lt_u (local.get $i) (i32.const 100))))"
    );
    let outcome = run(&Guest::new(&body).data(&"x".repeat(2000)))
        .await
        .unwrap();
    assert_eq!((outcome.log.len(), outcome.log_dropped), (64, 36));
    assert!(
        outcome
            .log
            .iter()
            .all(|line| line.level == LogLevel::Error && line.message.len() <= 1024)
    );
}

#[tokio::test]
async fn object_names_come_from_the_host_and_an_invalid_key_traps() {
    let ask = |key: &str| {
        Guest::new(&format!(
            "(call $object_name (i32.const {DATA}) (i32.const {}) (i32.const 8))",
            key.len()
        ))
        .data(key)
    };
    assert!(run(&ask("ok")).await.is_ok());
    let error = fails(&ask("no-key")).await.to_string();
    assert!(
        error.contains("object-name: expected a key") && error.contains("`no-key`"),
        "{error}"
    );
}

#[tokio::test]
async fn every_call_starts_afresh() {
    let once = Guest::new(
        "(if (global.get $called) (then (unreachable))) (global.set $called (i32.const 1))",
    )
    .globals("(global $called (mut i32) (i32.const 0))");
    let plugin = load(&once).await;
    for _ in 0..3 {
        assert!(ENGINE.generate(&plugin, call()).await.is_ok());
    }
}

/// Imports that a plugin may have but that do nothing, with the code that uses them; the answer holds the 64 bits that they gave.
fn reading(import: &str, function: &str, core: &str) -> Guest {
    let spell = "(local $bits i64) (local $i i32)".to_owned()
        + &format!("(local.set $bits {core})")
        + &format!(
            "(loop
               (i32.store8 (i32.add (i32.const {}) (local.get $i))
                 (i32.add (i32.const 97) (i32.wrap_i64 (i64.and (local.get $bits) (i64.const 15)))))
               (local.set $bits (i64.shr_u (local.get $bits) (i64.const 4)))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if 0 (i32.lt_u (local.get $i) (i32.const 16))))",
            DATA + 6
        )
        + &answer(DATA, 24);
    Guest::new(&spell).data(r#"{"a":"................"}"#).wasi(
        &format!(r#"(import "{import}" (instance $clock (export "{function}" (func (result u64)))))"#),
        &format!(r#"(core func $read (canon lower (func $clock "{function}"))) (core instance $w (export "read" (func $read)))"#),
        r#"(import "w" "read" (func $read (result i64)))"#,
    )
}

#[tokio::test]
async fn clocks_and_randomness_are_the_same_in_every_call() {
    for guest in [
        reading("wasi:clocks/monotonic-clock@0.2.0", "now", "(call $read)"),
        reading("wasi:random/random@0.2.0", "get-random-u64", "(call $read)"),
        reading(
            "wasi:random/insecure@0.2.0",
            "get-insecure-random-u64",
            "(call $read)",
        ),
    ] {
        let plugin = load(&guest).await;
        let mut answers = Vec::new();
        for _ in 0..2 {
            answers.push(
                ENGINE
                    .generate(&plugin, call())
                    .await
                    .unwrap()
                    .result
                    .unwrap()
                    .workflow
                    .unwrap(),
            );
        }
        assert_eq!(answers[0], answers[1]);
        assert_ne!(
            answers[0]["a"], "................",
            "the guest wrote what it read"
        );
    }
}

#[tokio::test]
async fn a_busy_wait_ends_because_the_clock_moves_when_it_is_read() {
    let wait = "(local $start i64) (local.set $start (call $read))
                (loop (br_if 0 (i64.lt_u (i64.sub (call $read) (local.get $start)) (i64.const 1000000000))))";
    let mut guest = reading("wasi:clocks/monotonic-clock@0.2.0", "now", "(i64.const 0)");
    guest = guest.with_body(wait);
    assert!(run(&guest).await.is_ok());
}

#[tokio::test]
async fn sleeping_takes_no_time() {
    let component = r#"(import "wasi:io/poll@0.2.0" (instance $poll
          (export "pollable" (type $pollable (sub resource)))
          (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
          (alias outer 1 $pollable (type $p'))
          (export "pollable" (type $p (eq $p')))
          (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))"#;
    let lowered = r#"(core func $subscribe (canon lower (func $clock "subscribe-duration")))
        (core func $block (canon lower (func $poll "[method]pollable.block")))
        (core instance $w (export "subscribe" (func $subscribe)) (export "block" (func $block)))"#;
    let core = r#"(import "w" "subscribe" (func $subscribe (param i64) (result i32))) (import "w" "block" (func $block (param i32)))"#;
    // A year: the wall-clock limit would end it.
    let guest = Guest::new("(call $block (call $subscribe (i64.const 31536000000000000)))")
        .wasi(component, lowered, core);
    assert!(run(&guest).await.is_ok());
}

#[tokio::test]
async fn imports_that_no_plugin_gets_are_refused_by_name() {
    for (import, advice) in [
        ("wasi:http/outgoing-handler@0.2.0", "without fetch"),
        ("wasi:keyvalue/store@0.2.0", "in its request"),
        ("wasi:clocks/wall-clock@0.3.0", "only version 0.2"),
        // Semver would call it compatible.
        (
            "testbench:phase/host@0.1.7",
            "it was built for contract 0.1.0",
        ),
        (
            "testbench:phase/host@0.2.0",
            "it was built for contract 0.1.0",
        ),
    ] {
        let guest = reading(import, "now", "(i64.const 0)");
        match ENGINE.load(&guest.wasm().unwrap()).await.unwrap_err() {
            LoadError::Import {
                import: found,
                advice: given,
            } => {
                assert_eq!(found, import);
                assert!(given.contains(advice), "{given}");
            }
            other => panic!("expected a refused import, found {other}"),
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_plugin_are_refused_saying_what_they_are() {
    let module = wat::parse_str("(module)").unwrap();
    let empty = wat::parse_str("(component)").unwrap();
    let other_version = Guest::default().exported_as("testbench:phase/generator@0.1.7");
    let other_version = other_version.wasm().unwrap();
    let mut broken = Guest::new("").wasm().unwrap();
    broken.truncate(200);
    for (wasm, message) in [
        (&module[..], "found a core module"),
        (b"#!/bin/sh", "found no WebAssembly"),
        (b"", "found an empty file"),
        (
            &empty,
            "`testbench:phase/generator@0.1.0`, found no export at all",
        ),
        (
            &other_version,
            "it was built for contract 0.1.7; this host speaks 0.1.0",
        ),
        (&broken, "failed to compile"),
    ] {
        let error = ENGINE.load(wasm).await.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// As many spinning calls as one plugin can have, and more behind them: another plugin of another holder is done before them.
#[tokio::test]
async fn a_plugin_that_spins_does_not_stop_another() {
    let engine = Engine::new(EngineOptions {
        guest_threads: 1,
        guests: 4,
    })
    .unwrap();
    let spinning = engine
        .load(&Guest::new("(loop (br 0))").wasm().unwrap())
        .await
        .unwrap();
    let honest = engine
        .load(&Guest::answering("{}").wasm().unwrap())
        .await
        .unwrap();
    let limits = Limits {
        cpu: Duration::from_secs(3600),
        wall: Duration::from_secs(3600),
        ..Limits::default()
    };
    let spin = || {
        engine.generate(
            &spinning,
            Call {
                limits,
                holder: "loud".into(),
                ..call()
            },
        )
    };
    let spins = futures::future::select_all((0..8).map(|_| Box::pin(spin())).collect::<Vec<_>>());
    let other = Box::pin(engine.generate(&honest, call()));
    match futures::future::select(spins, other).await {
        futures::future::Either::Right((answer, _)) => assert!(answer.is_ok()),
        futures::future::Either::Left(((outcome, ..), _)) => {
            panic!("a spinning call ended first: {outcome:?}")
        }
    }
}

#[tokio::test]
async fn a_failure_in_the_plugins_own_words_is_no_error_of_the_call() {
    // result: error; kind: waiting; one diagnostic at 0x800 with code and message from DATA.
    let body = format!(
        "(i32.store8 (i32.const {ANSWER}) (i32.const 1)) (i32.store8 (i32.const {}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const 0x800)) (i32.store (i32.const {}) (i32.const 1))
         (i32.store8 (i32.const 0x800) (i32.const 1))
         (i32.store (i32.const 0x804) (i32.const {DATA})) (i32.store (i32.const 0x808) (i32.const 7))
         (i32.store (i32.const 0x80c) (i32.const {})) (i32.store (i32.const 0x810) (i32.const 9))",
        ANSWER + 4,
        ANSWER + 8,
        ANSWER + 12,
        DATA + 7,
    );
    let failure = run(&Guest::new(&body).data("NotYetAwait the\n"))
        .await
        .unwrap()
        .result
        .unwrap_err();
    assert_eq!(failure.kind, testbench_engine::FailureKind::Waiting);
    assert_eq!(
        (
            failure.diagnostics[0].code.as_str(),
            failure.diagnostics[0].message.as_str()
        ),
        ("NotYetA", "wait the ")
    );
}

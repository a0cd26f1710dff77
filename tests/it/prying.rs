//! What a plugin sees of the world through the libraries of its language: constants, and nothing that it could reach.

use std::net::TcpListener;
use std::sync::Arc;

use serde_json::{Value, json};
use testbench_engine::{Call, Engine, EngineOptions, Limits, Plugin};
use testbench_test_guests::PRYING;

#[tokio::test]
async fn a_plugin_sees_constants_and_reaches_nothing() {
    // What it tries to reach is there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings = json!({"file": file.path(), "port": listener.local_addr().unwrap().port()});
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let plugin = engine.load(PRYING).await.unwrap();
    let found = pry(&engine, &plugin, &settings).await;
    assert_eq!(found["can"], json!([]));
    let sees = &found["sees"];
    for (what, constant) in [
        ("arguments", json!([])),
        ("environment", json!([])),
        ("now", json!(1_704_067_200)),
        // At once: the limit of wall time is seconds.
        ("slept", json!(true)),
    ] {
        assert_eq!(sees[what], constant, "{what}");
    }
    assert!(sees["random"].is_u64(), "{sees}");
    assert_eq!(pry(&engine, &plugin, &settings).await, found);
}

async fn pry(engine: &Engine, plugin: &Plugin, settings: &Value) -> Value {
    let call = Call {
        phase: "run".into(),
        namespace: "ns".into(),
        settings: settings.clone(),
        input: json!({}),
        object_names: Arc::new(|_| None),
        holder: "ns".into(),
        limits: Limits::default(),
    };
    let outcome = engine.generate(plugin, call).await.unwrap();
    Value::Object(outcome.result.unwrap().workflow.unwrap())
}

use super::*;
use testbench_plugin_sdk::testing::generate;

/// Telemetry is given in every case that is not about it, so that its diagnostic does not stand in each.
fn run(settings: Value, input: Value) -> Value {
    let mut document = json!({"env": [], "suspend": false, "otel": {"value": "http://otel:4318"}});
    document
        .as_object_mut()
        .unwrap()
        .extend(input.as_object().unwrap().clone());
    generate::<Workflow>(settings, document).unwrap()
}

fn endpoint(value: &str) -> Value {
    json!({"name": OTEL_ENDPOINT, "value": value})
}

#[test]
fn every_kind_of_variable_is_carried_whole() {
    for source in [
        json!({"secretKeyRef": {"name": "s", "key": "k", "optional": true}}),
        json!({"configMapKeyRef": {"name": "c", "key": "k"}}),
        json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}),
        json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}}),
        json!({"fileKeyRef": {"path": "p", "volumeName": "v", "key": "k"}}),
        json!({"toCome": {"deep": [null, {"x": 1.5}]}}),
    ] {
        let variable = json!({"name": "A", "valueFrom": source});
        let output = run(json!({}), json!({"env": [variable]}));
        let env = json!([variable, endpoint("http://otel:4318")]);
        assert_eq!(output, json!({"workflow": {"container": {"env": env}}}));
    }
}

#[test]
fn variables_arrive_as_typed() {
    let escaped = r#"{{"{{"}}x}}"#;
    for (typed, written) in [
        (
            json!({"name": "A", "value": "{{x}}"}),
            json!({"name": "A", "value": escaped}),
        ),
        (json!({"name": "{{x}}"}), json!({"name": escaped})),
        (
            json!({"name": "A", "value": ""}),
            json!({"name": "A", "value": ""}),
        ),
        (
            json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "{{x}}", "key": "k"}}}),
            json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": escaped, "key": "k"}}}),
        ),
    ] {
        let output = run(json!({}), json!({"env": [typed]}));
        assert_eq!(output["workflow"]["container"]["env"][0], written);
    }
}

#[test]
fn the_last_of_several_variables_counts() {
    let env = json!([
        {"name": "A", "value": "1"}, {"name": "B", "value": "2"},
        {"name": "A", "value": "3"}, {"name": "A", "value": "4"},
    ]);
    let output = run(json!({}), json!({"env": env}));
    let kept = json!([
        {"name": "B", "value": "2"}, {"name": "A", "value": "4"}, endpoint("http://otel:4318"),
    ]);
    assert_eq!(output["workflow"]["container"]["env"], kept);
    let diagnostics = output["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0]["code"], "RepeatedVariable");
    assert_eq!(diagnostics[0]["path"], "/input/env");
    assert!(
        diagnostics[0]["message"]
            .as_str()
            .unwrap()
            .starts_with("A stands")
    );
}

#[test]
fn telemetry_has_one_endpoint() {
    let reference = json!({"configMapKeyRef": {"name": "otel-config", "key": OTEL_ENDPOINT}});
    let from_map = json!({"name": OTEL_ENDPOINT, "valueFrom": reference});
    for (case, input, env) in [
        (
            "by value",
            json!({"otel": {"value": "http://{{o}}"}}),
            endpoint(r#"http://{{"{{"}}o}}"#),
        ),
        ("by reference", json!({"otel": reference}), from_map.clone()),
        (
            "the experiment's own",
            json!({"env": [endpoint("http://own")], "otel": {"value": "http://otel"}}),
            endpoint("http://own"),
        ),
        (
            "its own by reference",
            json!({"env": [from_map]}),
            from_map.clone(),
        ),
    ] {
        let output = run(json!({}), input);
        assert_eq!(
            output,
            json!({"workflow": {"container": {"env": [env]}}}),
            "{case}"
        );
    }
}

#[test]
fn without_telemetry_the_user_is_told() {
    let output = generate::<Workflow>(json!({}), json!({"env": [], "suspend": false})).unwrap();
    assert!(output.get("workflow").is_none());
    assert_eq!(output["diagnostics"][0]["code"], "NoTelemetry");
    assert_eq!(output["diagnostics"][0]["severity"], "info");
}

#[test]
fn a_schedule_is_an_event_unless_suspended() {
    let plain = json!({"cron": "0 3 * * *"});
    let zoned = json!({"cron": "@daily", "timezone": "Europe/Berlin"});
    for (schedule, suspend, events) in [
        (&plain, false, json!([{"cronjob": plain}])),
        (&zoned, false, json!([{"cronjob": zoned}])),
        (&zoned, true, Value::Null),
    ] {
        let output = run(json!({}), json!({"schedule": schedule, "suspend": suspend}));
        assert_eq!(output["workflow"]["events"], events);
    }
}

#[test]
fn settings_become_the_frame() {
    for (settings, part, expected) in [
        (
            json!({"use": ["a", "b"]}),
            "use",
            json!([{"name": "a"}, {"name": "b"}]),
        ),
        (
            json!({"concurrency": {"max": 1}}),
            "concurrency",
            json!({"max": 1}),
        ),
        (
            json!({"concurrency": {"max": 2, "group": "{{g}}"}}),
            "concurrency",
            json!({"max": 2, "group": "{{g}}"}),
        ),
    ] {
        assert_eq!(run(settings, json!({}))["workflow"][part], expected);
    }
}

#[test]
fn the_schema_is_json() {
    let schema = Workflow::descriptor().settings_schema;
    assert!(serde_json::from_str::<Value>(&schema).is_ok());
}

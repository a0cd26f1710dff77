use super::*;
use testbench_plugin_sdk::testing::generate;

fn step_of(fields: Value) -> Value {
    let input = json!({"scenarios": [{"name": "s", "steps": [fields]}]});
    let output = generate::<Experiment>(json!({}), input).unwrap();
    let text = &output["objects"][0]["body"]["data"][DATA_KEY];
    let document: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    document["scenarios"][0]["steps"][0].clone()
}

#[test]
fn inline_scenarios_are_mounted_from_the_config_map() {
    let scenarios = json!([{"name": "{{s}}", "steps": [{"input": "hi {{ 1+1 }}"}]}]);
    let scoring = json!({"llmAsAJudgeModel": "m", "defaultThreshold": 0});
    let input = json!({"scenarios": scenarios, "scoring": scoring});
    let text = r#"{
  "llm_as_a_judge_model": "m",
  "default_threshold": 0,
  "scenarios": [
    {
      "name": "{{s}}",
      "steps": [
        {
          "input": "hi {{ 1+1 }}"
        }
      ]
    }
  ]
}"#;
    let reference =
        json!({"configMapKeyRef": {"name": "test-experiment", "key": "experiment.json"}});
    let file = json!({"path": "/data/datasets/experiment.json", "contentFrom": reference});
    assert_eq!(
        generate::<Experiment>(json!({}), input).unwrap(),
        json!({
            "workflow": {"content": {"files": [file]}},
            "objects": [{
                "key": "experiment", "apiVersion": "v1", "kind": "ConfigMap",
                "body": {"data": {"experiment.json": text}},
            }],
        })
    );
}

#[test]
fn the_apis_names_change_and_free_json_stays() {
    let free = json!({
        "camelCase": null,
        "big": 9_223_372_036_854_775_807_i64,
        "bigger": 18_446_744_073_709_551_615_u64,
        "small": -9_223_372_036_854_775_808_i64,
        "float": 0.1234567890123456,
        "deep": [{"toolCalls": [null, {}]}],
    });
    for (given, expected) in [
        (json!({"input": ""}), json!({"input": ""})),
        (
            json!({"input": "i", "customValues": free}),
            json!({"input": "i", "custom_values": free}),
        ),
        (
            json!({"input": "i", "reference": {
                "response": "r", "topics": ["t"], "retrievedContexts": ["c"],
                "toolCalls": [{"name": "a"}, {"name": "b", "args": free}],
            }}),
            json!({"input": "i", "reference": {
                "response": "r", "topics": ["t"], "retrieved_contexts": ["c"],
                "tool_calls": [{"name": "a", "args": {}}, {"name": "b", "args": free}],
            }}),
        ),
        (
            json!({"input": "i", "metrics": [
                {"metricName": "m", "threshold": 0, "parameters": free}, {"metricName": "n"},
            ]}),
            json!({"input": "i", "metrics": [
                {"metric_name": "m", "threshold": 0, "parameters": free}, {"metric_name": "n"},
            ]}),
        ),
        (
            json!({"input": "i", "reference": {}, "customValues": {}, "metrics": []}),
            json!({"input": "i", "reference": {}, "custom_values": {}, "metrics": []}),
        ),
        (
            json!({"input": "i", "reference": null, "customValues": null, "metrics": null}),
            json!({"input": "i"}),
        ),
    ] {
        assert_eq!(step_of(given), expected);
    }
}

/// Digits that no double holds stay too: free-form JSON is copied, not read.
#[test]
fn numbers_keep_their_spelling() {
    const SCENARIOS: &str = r#"[{"name":"s","steps":[{"input":"i",
        "customValues":{"n":[0,0.0,1e400,0.30000000000000004,9223372036854775807,18446744073709551616]},
        "metrics":[{"metricName":"m","threshold":0},{"metricName":"n","threshold":0.0}]}]}]"#;
    #[derive(serde::Deserialize)]
    struct Given {
        scenarios: testbench_plugin_sdk::Scenarios,
    }
    let mut request: Request<NoSettings> = Request::from_json(
        "team",
        &json!({}),
        &testbench_plugin_sdk::testing::base_input(),
    )
    .unwrap();
    let given: Given = serde_json::from_str(&format!(r#"{{"scenarios":{SCENARIOS}}}"#)).unwrap();
    request.input.scenarios = Some(given.scenarios);
    let text = document::text(&request.input).unwrap();
    for expected in [
        r#"{"n":[0,0.0,1e400,0.30000000000000004,9223372036854775807,18446744073709551616]}"#,
        r#""threshold": 0"#,
        r#""threshold": 0.0"#,
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_dataset_leaves_a_placeholder_and_mounts_nothing() {
    let output = generate::<Experiment>(json!({}), json!({"mode": "dataset"})).unwrap();
    let body = &output["objects"][0]["body"];
    assert_eq!(
        body["metadata"]["annotations"]["testbench.agentic-layer.ai/placeholder"],
        "true"
    );
    assert!(body.get("data").is_none());
    assert!(output.get("workflow").is_none());
    assert!(output.get("diagnostics").is_none());
}

#[test]
fn scoring_beside_a_dataset_is_warned_of() {
    let input = json!({"mode": "dataset", "scoring": {"defaultThreshold": 0.5}});
    let output = generate::<Experiment>(json!({}), input).unwrap();
    assert_eq!(output["diagnostics"][0]["code"], "ScoringIgnored");
    assert_eq!(output["diagnostics"][0]["path"], "/input/scoring");
}

#[test]
fn inline_mode_needs_scenarios_of_their_shape() {
    for (scenarios, code) in [
        (Value::Null, "NoScenarios"),
        (json!([{"name": "s"}]), "UnreadableRequest"),
        (
            json!([{"name": "s", "steps": [{"input": "i", "customValues": 1}]}]),
            "UnreadableRequest",
        ),
    ] {
        let failure =
            generate::<Experiment>(json!({}), json!({"scenarios": scenarios})).unwrap_err();
        assert_eq!(failure.diagnostics[0].code, code);
    }
}

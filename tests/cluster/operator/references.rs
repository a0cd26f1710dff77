//! What Experiments refer to comes, changes and goes.

use kube::api::DeleteParams;
use serde_json::{Value, json};
use testbench_operator::kinds::{
    AGENT, AI_GATEWAY, CONFIG_MAP, EXPERIMENT, TEMPLATE, TEST_WORKFLOW,
};

use super::{Operated, agent, condition, experiment, scenarios, templates};

fn config<'a>(workflow: &'a Value, phase: &str) -> &'a Value {
    let steps = workflow["spec"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == phase).unwrap();
    &step["template"]["config"]
}

#[tokio::test]
async fn an_agent_comes_changes_and_goes() {
    let operated = Operated::start().await;
    templates(&operated).await;
    operated
        .apply(experiment(
            "weather",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    let message = operated
        .until_condition("weather", "AgentResolved", "False", "AgentNotFound")
        .await;
    assert!(
        message.contains(&format!("Agent {}/bot does not exist", operated.name())),
        "{message}"
    );
    operated
        .until_condition("weather", "Ready", "False", "AgentNotFound")
        .await;
    operated
        .until_condition("weather", "WorkflowReady", "True", "Generated")
        .await;

    for url in ["http://bot:8000/a2a", "http://bot:9000"] {
        agent(
            &operated,
            "bot",
            &format!("{url}/.well-known/agent-card.json"),
        )
        .await;
        operated
            .until(TEST_WORKFLOW, "weather-workflow", url, |workflow| {
                config(workflow, "run")["agentUrl"] == url
            })
            .await;
        operated.until_ready("weather").await;
    }
    operated
        .delete(AGENT, "bot", &DeleteParams::default())
        .await;
    operated
        .until_condition("weather", "AgentResolved", "False", "AgentNotFound")
        .await;
    let workflow = super::get(&operated.api(TEST_WORKFLOW), "weather-workflow").await;
    assert_eq!(
        config(&workflow, "run")["agentUrl"],
        "http://bot:9000",
        "the recorded URL holds"
    );
}

#[tokio::test]
async fn a_gateway_and_a_collector_come_and_go() {
    let operated = Operated::start().await;
    agent(&operated, "bot", "http://bot:8000").await;
    templates(&operated).await;
    let mut manifest = experiment("weather", json!({"scenarios": scenarios("Hello")}));
    manifest["spec"]["aiGatewayRef"] = json!({"name": "gateway"});
    for key in ["env", "otlpEndpoint"] {
        manifest["spec"].as_object_mut().unwrap().remove(key);
    }
    operated.apply(manifest).await;
    let url = |port: u16| {
        format!(
            "http://gateway.{}.svc.cluster.local:{port}",
            operated.name()
        )
    };
    let has_url = |port: u16| {
        let url = url(port);
        move |workflow: &Value| {
            !workflow.is_null() && config(workflow, "evaluate")["openAiBasePath"] == url
        }
    };
    let has_collector = |workflow: &Value| !workflow["spec"]["container"]["env"][0].is_null();
    operated
        .until(TEST_WORKFLOW, "weather-workflow", "there", has_url(80))
        .await;

    let gateway = json!({
        "apiVersion": "runtime.agentic-layer.ai/v1alpha1", "kind": "AiGateway",
        "metadata": {"name": "gateway"}, "spec": {"port": 4000},
    });
    operated.apply(gateway).await;
    operated
        .until(
            TEST_WORKFLOW,
            "weather-workflow",
            "with the port",
            has_url(4000),
        )
        .await;
    operated
        .delete(AI_GATEWAY, "gateway", &DeleteParams::default())
        .await;
    operated
        .until(
            TEST_WORKFLOW,
            "weather-workflow",
            "without the port",
            has_url(80),
        )
        .await;

    let collector = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "otel-config"},
        "data": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
    });
    operated.apply(collector).await;
    operated
        .until(
            TEST_WORKFLOW,
            "weather-workflow",
            "with a collector",
            has_collector,
        )
        .await;
    operated
        .delete(CONFIG_MAP, "otel-config", &DeleteParams::default())
        .await;
    operated
        .until(
            TEST_WORKFLOW,
            "weather-workflow",
            "without a collector",
            |workflow| !workflow.is_null() && !has_collector(workflow),
        )
        .await;
}

#[tokio::test]
async fn a_template_that_is_missing_or_lacks_a_value_is_named() {
    let operated = Operated::start().await;
    agent(&operated, "bot", "http://bot:8000").await;
    operated
        .apply(experiment(
            "weather",
            json!({"scenarios": scenarios("Hello")}),
        ))
        .await;
    let message = operated
        .until_condition("weather", "WorkflowReady", "False", "TemplateNotFound")
        .await;
    assert!(
        message.contains(&format!(
            "step `run` runs TestWorkflowTemplate {}/run-template",
            operated.name()
        )),
        "{message}"
    );
    let stored = super::get(&operated.api(EXPERIMENT), "weather").await;
    assert_eq!(
        condition(&stored, "Ready").unwrap()["reason"],
        "TemplateNotFound"
    );

    templates(&operated).await;
    operated.until_ready("weather").await;

    let demanding = json!({
        "apiVersion": "testworkflows.testkube.io/v1", "kind": "TestWorkflowTemplate", "metadata": {"name": "run-template"},
        "spec": {"config": {"region": {"type": "string"}}},
    });
    operated.apply(demanding).await;
    let message = operated
        .until_condition("weather", "WorkflowReady", "False", "TemplateConfigMissing")
        .await;
    assert!(message.contains("parameter `region`"), "{message}");
    operated
        .delete(TEMPLATE, "run-template", &DeleteParams::default())
        .await;
    operated
        .until_condition("weather", "WorkflowReady", "False", "TemplateNotFound")
        .await;
}

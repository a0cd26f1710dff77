use serde_json::json;

use super::*;

fn placement() -> Placement {
    Placement {
        namespace: "demo".into(),
        name_prefix: "weather".into(),
        owner: None,
    }
}

/// What is wrong with `workflow`, under `grants`.
fn refused(workflow: &Value, grants: &[&str]) -> Vec<String> {
    let placement = placement();
    let env = [
        json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        json!({"name": "BRACES", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "{{k"}}}),
    ];
    let scope = Scope {
        placement: &placement,
        own_config_maps: vec!["weather-experiment".into()],
        agent: ("agents", "bot"),
        env: &env,
        otel: Some(("otel-config", "ENDPOINT")),
    };
    let grants = Grants {
        workflow_paths: grants.iter().map(|path| (*path).to_owned()).collect(),
        kinds: Vec::new(),
    };
    let errors = check_workflow("gate", workflow.as_object().unwrap(), &grants, &scope);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_plugin_may_contribute_steps_env_files_events_concurrency_and_config() {
    for workflow in [
        json!({}),
        json!({"steps": []}),
        json!({"steps": [{}]}),
        json!({"steps": [{"name": "n", "template": {"name": "t", "config": {"a": "b", "c": 1}}}]}),
        json!({"steps": [{"template": {"name": "t", "config": {}}, "condition": "always", "optional": true, "timeout": "1m"}]}),
        json!({"steps": [{"run": {"image": "i", "command": ["c"], "args": ["a"], "env": [{"name": "A", "value": "b"}], "workingDir": "/"}}]}),
        json!({"steps": [{"shell": "ls", "container": {"image": "i", "resources": {"limits": {"cpu": "1"}}}, "retry": {"count": 2, "until": "passed"}}]}),
        json!({"steps": [{"artifacts": {"paths": ["a"], "compress": {"name": "x"}}}]}),
        json!({"container": {"env": [{"name": "A", "value": ""}]}}),
        json!({"content": {"files": [{"path": "/a", "content": "x", "mode": 420}]}}),
        json!({"events": [{"cronjob": {"cron": "@daily", "timezone": "UTC"}}], "concurrency": {"max": 1, "group": "g"}}),
        json!({"config": {"a": {"type": "string", "default": "x"}}}),
        json!({"steps": [{"template": {"config": {"a.b": "c", "[]": "d"}}}]}),
    ] {
        assert_eq!(refused(&workflow, &[]), Vec::<String>::new(), "{workflow}");
    }
}

#[test]
fn everything_else_is_refused_by_its_path() {
    for (workflow, path) in [
        (json!({"use": [{"name": "t"}]}), "use[0].name"),
        (json!({"use": []}), "use"),
        (
            json!({"pod": {"serviceAccountName": "admin"}}),
            "pod.serviceAccountName",
        ),
        (json!({"pod": {}}), "pod"),
        (json!({"job": {"labels": {"a": "b"}}}), "job.labels.a"),
        (
            json!({"services": {"db": {"image": "x"}}}),
            "services.db.image",
        ),
        (json!({"pvcs": {"a": {}}}), "pvcs.a"),
        (json!({"execution": {"silent": true}}), "execution.silent"),
        (json!({"setup": [{"shell": "ls"}]}), "setup[0].shell"),
        (json!({"after": [{"shell": "ls"}]}), "after[0].shell"),
        (
            json!({"system": {"pureByDefault": true}}),
            "system.pureByDefault",
        ),
        (
            json!({"container": {"envFrom": [{"secretRef": {"name": "s"}}]}}),
            "container.envFrom[0].secretRef.name",
        ),
        (
            json!({"container": {"securityContext": {"privileged": true}}}),
            "container.securityContext.privileged",
        ),
        (json!({"container": {"image": "x"}}), "container.image"),
        (json!({"container": "x"}), "container"),
        (json!({"content": {"git": {"uri": "x"}}}), "content.git.uri"),
        (
            json!({"events": [{"cronjob": {"cron": "@daily", "labels": {"a": "b"}}}]}),
            "events[0].cronjob.labels.a",
        ),
        (
            json!({"steps": [{"execute": {"workflows": [{"name": "other"}]}}]}),
            "steps[0].execute.workflows[0].name",
        ),
        (json!({"steps": [{"execute": {}}]}), "steps[0].execute"),
        (
            json!({"steps": [{"parallel": {"count": 9}}]}),
            "steps[0].parallel.count",
        ),
        (
            json!({"steps": [{"steps": [{"shell": "ls"}]}]}),
            "steps[0].steps[0].shell",
        ),
        (
            json!({"steps": [{"use": [{"name": "t"}]}]}),
            "steps[0].use[0].name",
        ),
        (
            json!({"steps": [{"run": {"volumeMounts": [{"name": "v"}]}}]}),
            "steps[0].run.volumeMounts[0].name",
        ),
        (
            json!({"steps": [{"container": {"envFrom": []}}]}),
            "steps[0].container.envFrom",
        ),
        (
            json!({"steps": [{"template": {"config": {"a": {"b": 1}}}}]}),
            "steps[0].template.config.a.b",
        ),
        // Keys that read like an allowed path.
        (
            json!({"container.env": [{"name": "A"}]}),
            "container.env[0].name",
        ),
        (json!({"steps[]": {"name": "n"}}), "steps[].name"),
        (json!({"steps": {"[]": {"name": "n"}}}), "steps[].name"),
    ] {
        let errors = refused(&workflow, &[]);
        assert_eq!(errors.len(), 1, "{workflow}: {errors:?}");
        assert!(
            errors[0].contains(&format!("may not set `{path}`")),
            "{errors:?}"
        );
    }
}

#[test]
fn references_reach_only_what_is_this_experiments() {
    let own = json!({"configMapKeyRef": {"name": "weather-experiment", "key": "experiment.json"}});
    let otel = json!({"configMapKeyRef": {"name": "otel-config", "key": "ENDPOINT"}});
    let users = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let braces = json!({"name": "BRACES", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "{{\"{{\"}}k"}}});
    for env in [
        json!({"name": "A", "valueFrom": own}),
        json!({"name": "A", "valueFrom": otel}),
        users.clone(),
        braces,
    ] {
        for workflow in [
            json!({"container": {"env": [env]}}),
            json!({"steps": [{"run": {"env": [env]}}]}),
            json!({"steps": [{"container": {"env": [env]}}]}),
        ] {
            assert_eq!(refused(&workflow, &[]), Vec::<String>::new(), "{workflow}");
        }
    }
    assert!(
        refused(
            &json!({"content": {"files": [{"path": "/a", "contentFrom": own}]}}),
            &[]
        )
        .is_empty()
    );
    for source in [
        json!({"configMapKeyRef": {"name": "foreign", "key": "experiment.json"}}),
        json!({"configMapKeyRef": {"name": "otel-config", "key": "OTHER"}}),
        json!({"configMapKeyRef": {"key": "ENDPOINT"}}),
        json!({"secretKeyRef": {"name": "s", "key": "k"}}),
        json!({"fieldRef": {"fieldPath": "spec.serviceAccountName"}}),
        json!({"configMapKeyRef": {"name": "weather-experiment", "key": "k"}, "secretKeyRef": {"name": "s", "key": "k"}}),
        json!({}),
    ] {
        for workflow in [
            json!({"container": {"env": [{"name": "A", "valueFrom": source}]}}),
            json!({"steps": [{"run": {"env": [{"name": "A", "valueFrom": source}]}}]}),
            json!({"content": {"files": [{"path": "/a", "contentFrom": source}]}}),
        ] {
            let errors = refused(&workflow, &[]);
            assert!(
                errors.len() == 1 && errors[0].contains("not this Experiment's"),
                "{workflow}: {errors:?}"
            );
        }
    }
    // What the user reads into a variable is not the plugin's to read into a file.
    let file = json!({"content": {"files": [{"path": "/a", "contentFrom": users["valueFrom"]}]}});
    assert_eq!(refused(&file, &[]).len(), 1);
}

#[test]
fn a_grant_opens_its_path_and_no_other() {
    let uses = json!({"use": [{"name": "t"}]});
    assert!(refused(&uses, &["use[].name"]).is_empty());
    assert_eq!(
        refused(
            &json!({"use": [{"name": "t", "config": {"a": 1}}]}),
            &["use[].name"]
        )
        .len(),
        1
    );
    let secret = json!({"container": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}});
    assert!(refused(&secret, &["container.env[].valueFrom.secretKeyRef.*"]).is_empty());
    assert_eq!(
        refused(&secret, &["container.env[].valueFrom.fieldRef.*"]).len(),
        1
    );
}

fn object(api_version: &str, kind: &str, body: Value) -> Result<PluginMetadata, String> {
    let placement = placement();
    let scope = Scope {
        placement: &placement,
        own_config_maps: vec![],
        agent: ("agents", "bot"),
        env: &[],
        otel: None,
    };
    let kind = Gvk {
        api_version: api_version.into(),
        kind: kind.into(),
    };
    let manifest = Manifest {
        key: "mine".into(),
        kind,
        body: body.as_object().unwrap().clone(),
    };
    check_object("gate", &manifest, &Grants::default(), &scope).map_err(|error| error.to_string())
}

#[test]
fn kinds_beyond_config_maps_and_triggers_are_refused() {
    for (api_version, kind) in [
        ("v1", "Secret"),
        ("v1", "Pod"),
        ("v1", "ServiceAccount"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("testworkflows.testkube.io/v1", "TestWorkflow"),
        ("testbench.agentic-layer.ai/v1alpha1", "Experiment"),
        ("other/v1", "ConfigMap"),
    ] {
        let error = object(api_version, kind, json!({})).unwrap_err();
        assert!(
            error.contains(&format!("kind {api_version} {kind} is not allowed")),
            "{error}"
        );
    }
}

#[test]
fn of_metadata_a_plugin_sets_only_its_own_labels_and_annotations() {
    let body = |metadata: Value| json!({"metadata": metadata, "data": {"a": "b"}});
    let own = json!({
        "labels": {"plugin.testbench.agentic-layer.ai/team": "red"},
        "annotations": {"testbench.agentic-layer.ai/placeholder": "true", "plugin.testbench.agentic-layer.ai/note": "any text"},
    });
    assert!(object("v1", "ConfigMap", body(own)).is_ok());
    for (metadata, path) in [
        (json!({"name": "forged"}), "metadata.name"),
        (json!({"namespace": "kube-system"}), "metadata.namespace"),
        (json!({"ownerReferences": []}), "metadata.ownerReferences"),
        (json!({"finalizers": ["a/b"]}), "metadata.finalizers"),
        (
            json!({"labels": {"app.kubernetes.io/managed-by": "me"}}),
            "metadata.labels[app.kubernetes.io/managed-by]",
        ),
        (
            json!({"labels": {"testbench.agentic-layer.ai/experiment": "other"}}),
            "metadata.labels[testbench",
        ),
        (
            json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}),
            "metadata.annotations[kubectl",
        ),
        (
            json!({"labels": {"plugin.testbench.agentic-layer.ai/a": "not a label"}}),
            "metadata.labels[plugin",
        ),
        (
            json!({"labels": {"plugin.testbench.agentic-layer.ai/a": 1}}),
            "metadata.labels[plugin",
        ),
        (json!({"labels": []}), "metadata.labels"),
        (json!("x"), "metadata"),
    ] {
        let error = object("v1", "ConfigMap", body(metadata)).unwrap_err();
        assert!(error.contains(&format!("`{path}")), "{error}");
    }
    assert!(
        object("v1", "ConfigMap", json!({"immutable": true}))
            .unwrap_err()
            .contains("`immutable`")
    );
    assert!(
        object("v1", "ConfigMap", json!({"data": {"a": null}}))
            .unwrap_err()
            .contains("`data.a` is null")
    );
}

#[test]
fn a_trigger_watches_the_agent_and_runs_the_workflow_and_nothing_else() {
    let spec = json!({
        "action": "run", "execution": "testworkflow", "resource": "deployment", "event": "modified",
        "testSelector": {"name": "weather-workflow", "namespace": "demo"},
        "resourceSelector": {"name": "bot", "namespace": "agents"},
    });
    let trigger =
        |spec: Value| object("tests.testkube.io/v1", "TestTrigger", json!({"spec": spec}));
    assert!(trigger(spec.clone()).is_ok());
    for (key, value) in [
        (
            "testSelector",
            json!({"name": "other-workflow", "namespace": "demo"}),
        ),
        (
            "testSelector",
            json!({"name": "weather-workflow", "namespace": "other"}),
        ),
        ("testSelector", json!({"nameRegex": ".*"})),
        (
            "resourceSelector",
            json!({"name": "victim", "namespace": "agents"}),
        ),
        (
            "resourceSelector",
            json!({"name": "bot", "namespace": "agents", "labelSelector": {}}),
        ),
        ("resource", json!("secret")),
        ("execution", json!("test")),
        ("action", Value::Null),
        ("selector", json!({"matchLabels": {}})),
        ("probeSpec", json!({"probes": [{"host": "internal"}]})),
        ("actionParameters", json!({"config": {"a": "b"}})),
    ] {
        let mut forged = spec.clone();
        forged[key] = value;
        let error = trigger(forged).unwrap_err();
        assert!(error.contains(&format!("`spec.{key}`")), "{error}");
    }
    assert!(
        object("tests.testkube.io/v1", "TestTrigger", json!({}))
            .unwrap_err()
            .contains("`spec` is missing")
    );
}

//! What `install.yaml` holds: objects without a field that Kubernetes does not know, a pod that a restricted namespace takes, and
//! no right too many.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{deploy, documents};

fn installed() -> Vec<Value> {
    documents(&deploy("install.yaml"))
}

fn one(kind: &str, name: &str) -> Value {
    let found = installed()
        .into_iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("install.yaml has no {kind} {name}"))
}

/// What the type does not know is lost on the way, and missed here.
fn strict<T: Serialize + DeserializeOwned>(object: &Value) {
    let typed: T = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(&serde_json::to_value(typed).unwrap(), object);
}

#[test]
fn every_object_has_known_fields_only() {
    for object in installed() {
        match object["kind"].as_str().unwrap() {
            // Generated from the types, and compared with them beside them.
            "CustomResourceDefinition" => {}
            "Namespace" => strict::<Namespace>(&object),
            "ServiceAccount" => strict::<ServiceAccount>(&object),
            "ClusterRole" => strict::<ClusterRole>(&object),
            "ClusterRoleBinding" => strict::<ClusterRoleBinding>(&object),
            "Role" => strict::<Role>(&object),
            "RoleBinding" => strict::<RoleBinding>(&object),
            "Deployment" => strict::<Deployment>(&object),
            "ConfigMap" => strict::<ConfigMap>(&object),
            "Service" => strict::<Service>(&object),
            kind => panic!("nobody expects a {kind} to be installed"),
        }
    }
}

#[test]
fn the_operator_alone_gets_its_rights_and_there_is_no_wildcard() {
    let account = json!([
        {"kind": "ServiceAccount", "name": "testbench", "namespace": "testbench-system"}
    ]);
    let mut bound = Vec::new();
    for object in installed() {
        let kind = object["kind"].as_str().unwrap();
        if kind.ends_with("RoleBinding") {
            assert_eq!(object["subjects"], account);
            bound.push(object["roleRef"]["name"].as_str().unwrap().to_owned());
        }
        for rule in object["rules"].as_array().into_iter().flatten() {
            assert!(rule.get("nonResourceURLs").is_none(), "{rule}");
            let words =
                ["apiGroups", "resources", "verbs"].map(|key| rule[key].as_array().unwrap());
            for word in words.into_iter().flatten() {
                let word = word.as_str().unwrap();
                assert!(!word.contains('*'), "{rule}");
                assert!(
                    !["secrets", "escalate", "bind", "impersonate"].contains(&word),
                    "{rule}"
                );
            }
        }
    }
    assert_eq!(bound, ["testbench-operator", "testbench-runs"]);
}

/// What users may do ends at Experiments: nobody but the operator writes their status.
#[test]
fn users_get_their_rights_by_aggregation() {
    let aggregates = |name: &str, resources: Value| {
        let role = one("ClusterRole", name);
        let labels = role["metadata"]["labels"].as_object().unwrap();
        let to = labels.keys().filter_map(|label| {
            label
                .strip_prefix("rbac.authorization.k8s.io/aggregate-to-")
                .map(str::to_owned)
        });
        assert_eq!(role["rules"][0]["resources"], resources);
        assert_eq!(role["rules"].as_array().unwrap().len(), 1);
        to.collect::<Vec<_>>()
    };
    let both = json!(["experiments", "phaseplugins"]);
    assert_eq!(
        aggregates("testbench-viewer", both),
        ["admin", "edit", "view"]
    );
    let experiments = json!(["experiments"]);
    assert_eq!(
        aggregates("testbench-editor", experiments),
        ["admin", "edit"]
    );
    // Who writes PhasePlugins decides what runs, so nobody gets that by default.
    let plugins = json!(["phaseplugins"]);
    assert!(aggregates("testbench-plugin-editor", plugins).is_empty());
}

/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
#[test]
fn the_pod_is_one_that_a_restricted_namespace_takes() {
    let namespace = one("Namespace", "testbench-system");
    let label = "pod-security.kubernetes.io/enforce";
    assert_eq!(namespace["metadata"]["labels"][label], "restricted");

    let deployment = one("Deployment", "testbench");
    let pod = &deployment["spec"]["template"]["spec"];
    let security = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(pod["securityContext"], security);
    for forbidden in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod.get(forbidden).is_none(), "{forbidden}");
    }
    for volume in pod["volumes"].as_array().unwrap() {
        let kinds = volume.as_object().unwrap().keys();
        let kinds = kinds.filter(|key| *key != "name");
        assert!(
            kinds
                .clone()
                .all(|kind| kind == "configMap" || kind == "emptyDir"),
            "{volume}"
        );
    }
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let security = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(containers[0]["securityContext"], security);
}

#[test]
fn the_service_and_the_probes_find_the_pod() {
    let deployment = one("Deployment", "testbench");
    let pod = &deployment["spec"]["template"];
    let service = one("Service", "testbench");
    assert_eq!(
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"]
    );
    for (label, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(&pod["metadata"]["labels"][label], value);
    }
    let container = &pod["spec"]["containers"][0];
    let port = &container["ports"][0]["name"];
    for asks in [
        &service["spec"]["ports"][0]["targetPort"],
        &container["livenessProbe"]["httpGet"]["port"],
        &container["readinessProbe"]["httpGet"]["port"],
    ] {
        assert_eq!(asks, port);
    }
}

//! From a source to a component: its digest, and its bytes where they are not in the cache.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::PostParams;
use kube::{Api, Client};
use testbench_api::{ConfigMapSource, OciSource, SecretRef};
use testbench_core::config::PluginConfig;
use testbench_core::error::with_causes;
use testbench_core::slots::{no_such_key, unpacked};
use testbench_registry::{Credentials, InvalidRules, Layer, Problem, Reference, Rule, Rules};

use super::outcome::{PluginFailure, Step};

/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// The component in a ConfigMap of `namespace`.
pub(super) async fn from_config_map(
    client: &Client,
    config: &PluginConfig,
    namespace: &str,
    source: &ConfigMapSource,
) -> Result<Vec<u8>, PluginFailure> {
    let ConfigMapSource { name, key } = source;
    let lasting = |reason, message: String| PluginFailure::lasting(Step::Fetch, reason, message);
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = config_maps.get_opt(name).await.map_err(|error| {
        let message = format!(
            "failed to read ConfigMap {namespace}/{name}: {}",
            with_causes(&error)
        );
        PluginFailure::transient(Step::Fetch, "FetchFailed", message)
    })?;
    let Some(found) = found else {
        let message = format!("ConfigMap {namespace}/{name} does not exist; create it");
        return Err(lasting("ConfigMapNotFound", message));
    };
    let mut binary_data = found.binary_data.unwrap_or_default();
    let Some(bytes) = binary_data.remove(key) else {
        let keys = binary_data.keys().map(String::as_str);
        let message = format!("ConfigMap {namespace}/{name}: {}", no_such_key(key, keys));
        return Err(lasting("KeyNotFound", message));
    };
    unpacked(bytes.0, config.max_component_bytes()).map_err(|error| {
        let message = format!("key `{key}` of ConfigMap {namespace}/{name}: {error}");
        lasting("InvalidContent", message)
    })
}

/// A client of the registries that the administrator allows.
pub(crate) fn registries(
    config: &PluginConfig,
) -> Result<testbench_registry::Client, InvalidRules> {
    let rules = config.registries.iter().map(|registry| Rule {
        host: registry.host.clone(),
        ca: registry.ca.clone(),
        plain_http: registry.plain_http,
        allow_private_addresses: registry.allow_private_addresses,
        also: registry.also.clone(),
    });
    testbench_registry::Client::new(&Rules {
        registries: rules.collect(),
        max_bytes: u64::try_from(config.max_component_bytes()).unwrap_or(u64::MAX),
    })
}

/// A component in a registry that this PhasePlugin may have: its manifest was asked for with the PhasePlugin's own credentials.
pub(super) struct Found {
    reference: Reference,
    credentials: Credentials,
    layer: Layer,
    /// The reference by digest.
    pub(super) resolved: String,
    /// Of the component.
    pub(super) digest: String,
    /// Whether the reference may lead to another component later.
    pub(super) may_move: bool,
}

/// Asks the registry what `source`, of a PhasePlugin in `namespace`, is now.
pub(super) async fn resolve(
    client: &Client,
    registries: &testbench_registry::Client,
    namespace: &str,
    source: &OciSource,
) -> Result<Found, PluginFailure> {
    let reference: Reference = source.reference.parse().map_err(|error| {
        PluginFailure::lasting(Step::Fetch, "InvalidReference", with_causes(&error))
    })?;
    let credentials = match &source.pull_secret_ref {
        Some(secret) => pull_secret(client, namespace, secret, &reference).await?,
        None => Credentials::anonymous(),
    };
    let manifest = registries.resolve(&reference, &credentials).await;
    let manifest = manifest.map_err(|error| failed(&error))?;
    Ok(Found {
        resolved: reference.pinned(manifest.digest).to_string(),
        digest: manifest.layer.digest.to_string(),
        may_move: reference.digest().is_none(),
        layer: manifest.layer,
        reference,
        credentials,
    })
}

/// The bytes of what [`resolve`] found.
pub(super) async fn fetch(
    registries: &testbench_registry::Client,
    found: &Found,
) -> Result<Vec<u8>, PluginFailure> {
    let Found {
        reference,
        credentials,
        layer,
        ..
    } = found;
    let fetched = registries.fetch(reference, credentials, layer).await;
    fetched.map_err(|error| failed(&error))
}

fn failed(error: &testbench_registry::Error) -> PluginFailure {
    let reason = match &error.problem {
        Problem::NotAllowed(_) => "RegistryNotAllowed",
        Problem::AddressRefused { .. } => "AddressRefused",
        Problem::Untrusted { .. } => "RegistryUntrusted",
        Problem::Unauthorized { .. } => "Unauthorized",
        Problem::NotFound { .. } => "ArtifactNotFound",
        Problem::TooLarge { .. } => "TooLarge",
        Problem::DigestMismatch { .. } => "DigestMismatch",
        Problem::NotAComponent { .. } => "NotAComponent",
        _ => "FetchFailed",
    };
    // The problem is part of the error's own words.
    let message = error.to_string();
    if error.is_transient() {
        PluginFailure::transient(Step::Fetch, reason, message)
    } else {
        PluginFailure::lasting(Step::Fetch, reason, message)
    }
}

/// What a Secret of the PhasePlugin's own namespace says for the registry.
async fn pull_secret(
    client: &Client,
    namespace: &str,
    secret: &SecretRef,
    reference: &Reference,
) -> Result<Credentials, PluginFailure> {
    let name = &secret.name;
    let lasting = |reason, message: String| PluginFailure::lasting(Step::Fetch, reason, message);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = match secrets.get_opt(name).await {
        Ok(found) => found,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let message = may_not_read(client, namespace, name).await;
            return Err(lasting("PullSecretForbidden", message));
        }
        Err(error) => {
            let error = with_causes(&error);
            let message = format!("failed to read Secret {namespace}/{name}: {error}");
            return Err(PluginFailure::transient(
                Step::Fetch,
                "FetchFailed",
                message,
            ));
        }
    };
    let Some(found) = found else {
        let message = format!("Secret {namespace}/{name} does not exist; create it");
        return Err(lasting("PullSecretNotFound", message));
    };
    let config = found.data.and_then(|mut data| data.remove(DOCKER_CONFIG));
    let Some(config) = config else {
        let message = format!(
            "Secret {namespace}/{name} has no key {DOCKER_CONFIG}; expected one of type kubernetes.io/dockerconfigjson, as \
             `kubectl create secret docker-registry` makes it"
        );
        return Err(lasting("PullSecretInvalid", message));
    };
    Credentials::from_docker_config(&config.0, reference).map_err(|error| {
        let message = format!("Secret {namespace}/{name}: {error}");
        lasting("PullSecretInvalid", message)
    })
}

/// What to apply so that the operator may read this one Secret.
async fn may_not_read(client: &Client, namespace: &str, name: &str) -> String {
    let account = account(client).await;
    format!(
        "the operator may not read Secret {namespace}/{name}; let it read this one, and no other:\n\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: testbench-pull-{name}, namespace: {namespace}}}
rules:
  - {{apiGroups: [\"\"], resources: [secrets], resourceNames: [{name}], verbs: [get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: testbench-pull-{name}, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: testbench-pull-{name}}}
subjects:
  - {{apiGroup: rbac.authorization.k8s.io, kind: User, name: \"{account}\"}}
"
    )
}

/// Who the operator is, as the API server knows it.
async fn account(client: &Client) -> String {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = SelfSubjectReview::default();
    let answer = reviews.create(&PostParams::default(), &review).await;
    let user = answer.ok().and_then(|review| review.status?.user_info);
    user.and_then(|user| user.username)
        .unwrap_or_else(|| "system:serviceaccount:testbench-system:testbench".to_owned())
}

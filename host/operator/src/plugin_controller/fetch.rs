//! From a source to a component: its digest, and its bytes where they are not in the cache.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use testbench_api::ConfigMapSource;
use testbench_core::config::PluginConfig;
use testbench_core::error::with_causes;
use testbench_core::slots::unpacked;

use super::outcome::{PluginFailure, Step};

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
        let keys: Vec<_> = binary_data.into_keys().collect();
        let message = format!(
            "ConfigMap {namespace}/{name} has no key `{key}` in binaryData; there are: {}",
            keys.join(", ")
        );
        return Err(lasting("KeyNotFound", message));
    };
    unpacked(bytes.0, config.max_component_bytes()).map_err(|error| {
        let message = format!("key `{key}` of ConfigMap {namespace}/{name}: {error}");
        lasting("InvalidContent", message)
    })
}

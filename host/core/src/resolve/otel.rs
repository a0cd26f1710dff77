//! Where traces go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The ConfigMap in which a platform names its collector.
pub const OTEL_CONFIG_MAP: &str = "otel-config";
/// Its key, and the variable under which the phase images read the endpoint.
pub const OTEL_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What matters of a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigMap {
    /// `data`.
    pub data: BTreeMap<String, String>,
    /// `binaryData`, in base64.
    pub binary_data: BTreeMap<String, String>,
}

/// The collector's endpoint, as plugins see it in `input.otel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OtelEndpoint {
    /// The URL itself.
    Value(String),
    /// A key of a ConfigMap in the workflow's namespace.
    ConfigMapKeyRef {
        /// Name of the ConfigMap.
        name: String,
        /// Key in its `data`.
        key: String,
    },
}

/// `spec.otlpEndpoint`, else `otel-config` beside the workflow (by reference, so that a change needs no new workflow), else
/// `otel-config` of the operator's own namespace (by value: a reference does not cross namespaces).
pub(super) fn otel_endpoint(
    spec: Option<&str>,
    beside_workflow: Option<&ConfigMap>,
    operators_own: Option<&ConfigMap>,
) -> Option<OtelEndpoint> {
    let endpoint = |config: &ConfigMap| {
        config
            .data
            .get(OTEL_ENDPOINT)
            .filter(|url| !url.is_empty())
            .cloned()
    };
    if let Some(url) = spec {
        return Some(OtelEndpoint::Value(url.to_owned()));
    }
    if beside_workflow.and_then(endpoint).is_some() {
        return Some(OtelEndpoint::ConfigMapKeyRef {
            name: OTEL_CONFIG_MAP.to_owned(),
            key: OTEL_ENDPOINT.to_owned(),
        });
    }
    operators_own.and_then(endpoint).map(OtelEndpoint::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_endpoint_wins() {
        let config = |url: &str| ConfigMap {
            data: BTreeMap::from([(OTEL_ENDPOINT.to_owned(), url.to_owned())]),
            ..ConfigMap::default()
        };
        let by_ref = OtelEndpoint::ConfigMapKeyRef {
            name: "otel-config".into(),
            key: OTEL_ENDPOINT.into(),
        };
        let value = |url: &str| Some(OtelEndpoint::Value(url.into()));
        let (near, far, empty) = (config("http://near"), config("http://far"), config(""));
        for (shows, spec, beside, own, expected) in [
            (
                "spec",
                Some("http://spec"),
                Some(&near),
                Some(&far),
                value("http://spec"),
            ),
            (
                "beside the workflow",
                None,
                Some(&near),
                Some(&far),
                Some(by_ref),
            ),
            (
                "the operator's",
                None,
                None,
                Some(&far),
                value("http://far"),
            ),
            (
                "an empty one says nothing",
                None,
                Some(&empty),
                Some(&far),
                value("http://far"),
            ),
            ("none", None, None, None, None),
        ] {
            assert_eq!(otel_endpoint(spec, beside, own), expected, "{shows}");
        }
    }
}

//! The URL under which the evaluate phase reaches a model.

use serde::Deserialize;

/// The port that the runtime gives to an AiGateway without one.
const DEFAULT_PORT: u16 = 80;

/// The few fields of an AiGateway (`runtime.agentic-layer.ai/v1alpha1`) that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AiGateway {
    /// `spec`.
    #[serde(default)]
    pub spec: AiGatewaySpec,
}

/// `AiGateway.spec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AiGatewaySpec {
    /// Port of the gateway's Service, which is named like the gateway.
    pub port: Option<u16>,
}

/// A gateway has no URL in its status, so it is the Service's name in DNS, with the gateway's port.
pub(super) fn gateway_url(name: &str, namespace: &str, gateway: Option<&AiGateway>) -> String {
    let port = gateway
        .and_then(|gateway| gateway.spec.port)
        .unwrap_or(DEFAULT_PORT);
    format!("http://{name}.{namespace}.svc.cluster.local:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_the_gateways_or_the_runtimes_default() {
        let gateway = AiGateway {
            spec: AiGatewaySpec { port: Some(4000) },
        };
        assert_eq!(
            gateway_url("gw", "ai", Some(&gateway)),
            "http://gw.ai.svc.cluster.local:4000"
        );
        assert_eq!(
            gateway_url("gw", "ai", None),
            "http://gw.ai.svc.cluster.local:80"
        );
    }
}

//! The URL under which the run phase reaches the agent.

use serde::Deserialize;

/// What is appended to an agent's base URL to reach its card. The run phase posts to the base URL and never fetches the card.
const CARD_SUFFIX: &str = "/.well-known/agent-card.json";
/// The port that the agent runtime's webhook gives to an Agent without protocols.
const DEFAULT_PORT: u16 = 8000;

/// The few fields of an Agent (`runtime.agentic-layer.ai/v1alpha1`) that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Agent {
    /// `spec`.
    #[serde(default)]
    pub spec: AgentSpec,
    /// `status`.
    #[serde(default)]
    pub status: AgentStatus,
}

/// `Agent.spec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AgentSpec {
    /// What the agent speaks, and where.
    #[serde(default)]
    pub protocols: Vec<AgentProtocol>,
}

/// One entry of `Agent.spec.protocols`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentProtocol {
    /// `A2A` is the one that the run phase speaks.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Port of the Service; the runtime's default where absent.
    pub port: Option<u16>,
    /// Path of the endpoint.
    pub path: Option<String>,
}

/// `Agent.status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct AgentStatus {
    /// URL of the agent's card; empty while the agent is not ready.
    #[serde(default)]
    pub url: String,
}

/// The agent's base URL, without the card's suffix, with its path.
///
/// A ready Agent tells it; else the URL recorded for the same agent holds, so that a rollout changes nothing; else the Service's
/// name in DNS, with the port and path of the first A2A protocol.
pub(super) fn agent_url(
    name: &str,
    namespace: &str,
    agent: Option<&Agent>,
    recorded: Option<&str>,
) -> String {
    if let Some(url) = agent
        .map(|agent| agent.status.url.trim())
        .filter(|url| !url.is_empty())
    {
        return base_url(url);
    }
    if let Some(recorded) = recorded {
        return recorded.to_owned();
    }
    let protocol = agent.and_then(|agent| {
        agent
            .spec
            .protocols
            .iter()
            .find(|protocol| protocol.kind == "A2A")
    });
    let port = protocol
        .and_then(|protocol| protocol.port)
        .unwrap_or(DEFAULT_PORT);
    let path = protocol
        .and_then(|protocol| protocol.path.as_deref())
        .unwrap_or_default();
    let path = path.trim_matches('/');
    let separator = if path.is_empty() { "" } else { "/" };
    base_url(&format!(
        "http://{name}.{namespace}.svc.cluster.local:{port}{separator}{path}"
    ))
}

/// All URLs in one form: without the card's suffix and without a trailing slash.
fn base_url(url: &str) -> String {
    url.trim_end_matches('/')
        .trim_end_matches(CARD_SUFFIX)
        .trim_end_matches('/')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_url_follows_status_then_record_then_protocol_then_the_default_port() {
        let dns = "http://bot.agents.svc.cluster.local";
        let card = format!("{dns}:8000/a2a/.well-known/agent-card.json");
        let table = [
            (
                "status",
                json!({"status": {"url": card}}),
                Some("http://old"),
                format!("{dns}:8000/a2a"),
            ),
            (
                "status without card",
                json!({"status": {"url": "http://x:1/"}}),
                None,
                "http://x:1".to_owned(),
            ),
            (
                "not ready, recorded",
                json!({"status": {"url": ""}}),
                Some("http://old"),
                "http://old".to_owned(),
            ),
            (
                "first A2A protocol",
                json!({"spec": {"protocols": [{"type": "MCP", "port": 1}, {"type": "A2A", "port": 9000, "path": "/a2a/"}]}}),
                None,
                format!("{dns}:9000/a2a"),
            ),
            (
                "protocol without port",
                json!({"spec": {"protocols": [{"type": "A2A", "path": "/"}]}}),
                None,
                format!("{dns}:8000"),
            ),
            ("no protocol", json!({}), None, format!("{dns}:8000")),
        ];
        for (shows, agent, recorded, expected) in table {
            let agent: Agent = serde_json::from_value(agent).unwrap();
            assert_eq!(
                agent_url("bot", "agents", Some(&agent), recorded),
                expected,
                "{shows}"
            );
        }
        assert_eq!(
            agent_url("bot", "agents", None, None),
            format!("{dns}:8000"),
            "no Agent"
        );
    }
}

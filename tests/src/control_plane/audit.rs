//! Who asked the API server for what.

use std::path::Path;

use serde::Deserialize;

/// One request, as the API server's audit log has it (policy `Metadata`: no bodies).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// `ResponseComplete`; a watch also has `ResponseStarted`.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: AuditUser,
    /// With which program, as that says.
    #[serde(default)]
    pub user_agent: String,
    /// What was asked for; `None` for what is no resource, such as `/readyz`.
    pub object_ref: Option<AuditObject>,
    /// What was answered.
    pub response_status: Option<AuditStatus>,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditUser {
    /// `admin` is a test.
    #[serde(default)]
    pub username: String,
}

/// What was asked for; an empty field is one that does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuditObject {
    /// `configmaps`.
    pub resource: String,
    /// `status`.
    pub subresource: String,
    /// `apps`; empty for the core group.
    pub api_group: String,
    /// Where.
    pub namespace: String,
    /// Which one.
    pub name: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditStatus {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

/// Everything in the log at `path`.
pub(super) fn read(path: &Path) -> std::io::Result<Vec<AuditEvent>> {
    let text = std::fs::read_to_string(path)?;
    // The last line may be only half there.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).map_err(std::io::Error::from))
        .collect()
}

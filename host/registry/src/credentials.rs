//! Who asks.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::reference::Reference;

/// A user and a password, or nobody. Shows neither.
#[derive(Clone, Default)]
pub struct Credentials(Option<Basic>);

#[derive(Clone)]
struct Basic {
    user: String,
    password: String,
}

/// A pull secret of no use. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCredentials {
    /// Not the JSON of a `kubernetes.io/dockerconfigjson` Secret.
    #[error(
        "expected the content of a `kubernetes.io/dockerconfigjson` Secret, {{\"auths\": {{\"registry.example\": \
         {{\"username\": …, \"password\": …}}}}}}, found something else at line {line}, column {column}"
    )]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// None for this registry.
    #[error("the pull secret has no entry for {registry}; it has some for: {others}")]
    NoEntry {
        /// The registry.
        registry: String,
        /// The keys that there are.
        others: String,
    },
    /// One without a user and a password.
    #[error(
        "the pull secret's entry for {registry} holds no `username` and `password`, nor both in `auth`, the Base64 of \
         `user:password`; tokens of a `docker login` are not used: `kubectl create secret docker-registry` writes what is"
    )]
    NoPassword {
        /// The registry.
        registry: String,
    },
}

#[derive(Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A user with a password, or with a token in its place.
    #[must_use]
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        let (user, password) = (user.into(), password.into());
        Self(Some(Basic { user, password }))
    }

    /// Those that a pull secret holds for `reference`: `config` is the content of `.dockerconfigjson`. Of several entries
    /// for its registry (`ghcr.io`, `ghcr.io/team`), the one that names most of it. No wildcards.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or has nothing for that registry.
    pub fn from_docker_config(
        config: &[u8],
        reference: &Reference,
    ) -> Result<Self, InvalidCredentials> {
        let config: DockerConfig =
            serde_json::from_slice(config).map_err(|error| InvalidCredentials::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        let registry = reference.registry();
        let (_, entry) = config
            .auths
            .iter()
            .filter(|(key, _)| covers(key, reference))
            .max_by_key(|(key, _)| place(key).len())
            .ok_or_else(|| InvalidCredentials::NoEntry {
                registry: registry.clone(),
                others: config.auths.keys().cloned().collect::<Vec<_>>().join(", "),
            })?;
        entry
            .basic()
            .map(|basic| Self(Some(basic)))
            .ok_or(InvalidCredentials::NoPassword { registry })
    }

    /// The header that sends them; `None` for nobody.
    pub(crate) fn header(&self) -> Option<String> {
        let Basic { user, password } = self.0.as_ref()?;
        Some(format!(
            "Basic {}",
            STANDARD.encode(format!("{user}:{password}"))
        ))
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_anonymous() {
            "Credentials(anonymous)"
        } else {
            "Credentials(…)"
        })
    }
}

impl Entry {
    fn basic(&self) -> Option<Basic> {
        if let (Some(user), Some(password)) = (&self.username, &self.password) {
            let (user, password) = (user.clone(), password.clone());
            return Some(Basic { user, password });
        }
        let decoded = STANDARD.decode(self.auth.as_ref()?.trim()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (user, password) = decoded.split_once(':')?;
        let (user, password) = (user.to_owned(), password.to_owned());
        Some(Basic { user, password })
    }
}

/// What a key names, without the decoration that Docker's own keys have: `https://index.docker.io/v1/`.
fn place(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.trim_end_matches('/');
    ["/v1", "/v2"]
        .iter()
        .find_map(|version| key.strip_suffix(version))
        .unwrap_or(key)
}

fn covers(key: &str, reference: &Reference) -> bool {
    let (host, path) = place(key).split_once('/').unwrap_or((place(key), ""));
    let registry = reference.registry();
    let hub =
        registry == "registry-1.docker.io" && ["docker.io", "index.docker.io"].contains(&host);
    let beneath = |rest: &str| rest.is_empty() || rest.starts_with('/');
    (hub || host.eq_ignore_ascii_case(&registry))
        && (path.is_empty()
            || reference
                .repository()
                .strip_prefix(path)
                .is_some_and(beneath))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, reference: &str) -> Result<String, InvalidCredentials> {
        let reference = reference.parse().unwrap();
        Credentials::from_docker_config(config.as_bytes(), &reference).map(|credentials| {
            let Basic { user, password } = credentials.0.unwrap();
            format!("{user}/{password}")
        })
    }

    #[test]
    fn an_entry_is_found_by_its_registry() {
        let auth = STANDARD.encode("c:pass:word");
        let config = format!(
            r#"{{"auths": {{
                "https://ghcr.io": {{"username": "a", "password": "1", "auth": "ignored"}},
                "ghcr.io/team/": {{"username": "b", "password": "2"}},
                "127.0.0.1:5000": {{"auth": "{auth}"}},
                "https://index.docker.io/v1/": {{"username": "d", "password": "4"}}
            }}, "credHelpers": {{}}}}"#
        );
        for (reference, expected) in [
            ("ghcr.io/other/phase:1", "a/1"),
            ("ghcr.io/teams/phase:1", "a/1"),
            ("GHCR.io/team/phase:1", "b/2"),
            ("ghcr.io/team:1", "b/2"),
            ("127.0.0.1:5000/phase:1", "c/pass:word"),
            ("registry-1.docker.io/team/phase:1", "d/4"),
        ] {
            assert_eq!(
                found(&config, reference).as_deref(),
                Ok(expected),
                "{reference}"
            );
        }
        let other = found(&config, "127.0.0.1:5001/phase:1").unwrap_err();
        assert!(other.to_string().contains("no entry for 127.0.0.1:5001"));
    }

    #[test]
    fn what_is_of_no_use_is_refused_without_showing_it() {
        let colonless = STANDARD.encode("hunter2");
        for (config, expected) in [
            (
                r#"{"auths": {"r.example": {"password": "hunter2"}"#.to_owned(),
                "line 1",
            ),
            (
                r#"["hunter2"]"#.to_owned(),
                "kubernetes.io/dockerconfigjson",
            ),
            (
                r#"{"auths": {"r.example": {"identitytoken": "hunter2"}}}"#.to_owned(),
                "no `username`",
            ),
            (
                format!(r#"{{"auths": {{"r.example": {{"auth": "{colonless}"}}}}}}"#),
                "no `username`",
            ),
            (
                r#"{"auths": {"r.example": {"auth": "hunter2!"}}}"#.to_owned(),
                "no `username`",
            ),
            (r#"{"auths": {}}"#.to_owned(), "no entry"),
        ] {
            let error = found(&config, "r.example/phase:1").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn nothing_shows_them() {
        let shown = format!("{:?}", Credentials::basic("alice", "hunter2"));
        assert!(
            !shown.contains("alice") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

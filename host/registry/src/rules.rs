//! Which registries there are, as the administrator says.

use std::sync::Arc;

use serde::Deserialize;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::error::Refusal;
use crate::host::{Authority, authority};

/// The setting of the operator's `--config` file that holds [`Rules::registries`]; errors name it.
pub const SETTING: &str = "plugins.registries";

/// The largest component, unless the administrator says otherwise: those of Python take 18 MiB.
pub const DEFAULT_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Who may be asked for components. What is not listed is not asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rules {
    /// None, unless the administrator names some.
    pub registries: Vec<Rule>,
    /// The largest component, in bytes.
    pub max_bytes: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

/// One registry, with everybody it may send a client to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// As references name it: `ghcr.io`, `127.0.0.1:5000`.
    pub host: String,
    /// Certificates in PEM of the authorities that vouch for these hosts, instead of the public ones.
    #[serde(default)]
    pub ca: Option<String>,
    /// The registry speaks HTTP without TLS, passwords and tokens included, and `also` may.
    #[serde(default)]
    pub plain_http: bool,
    /// Names may lead to this machine or into its network. Not needed where `host` is `localhost` or itself an address.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Further hosts that the registry sends clients to, for tokens or for content: `auth.example`, or `*.cdn.example` for
    /// all names beneath one.
    #[serde(default)]
    pub also: Vec<String>,
}

/// Rules that mean nothing; says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{SETTING}[{index}].{field}: {why}")]
pub struct InvalidRules {
    index: usize,
    field: String,
    why: String,
}

/// A [`Rule`] to act on.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) authority: Authority,
    pub(crate) plain_http: bool,
    pub(crate) private_allowed: bool,
    pub(crate) tls: Arc<ClientConfig>,
    also: Vec<Also>,
}

#[derive(Debug)]
enum Also {
    Host(Authority),
    Beneath(Authority),
}

impl Rules {
    pub(crate) fn compile(&self) -> Result<Vec<Registry>, InvalidRules> {
        let mut registries = Vec::with_capacity(self.registries.len());
        for (index, rule) in self.registries.iter().enumerate() {
            let registry =
                compile(rule).map_err(|(field, why)| InvalidRules { index, field, why })?;
            let twice = |other: &Registry| other.authority == registry.authority;
            if registries.iter().any(twice) {
                return Err(InvalidRules {
                    index,
                    field: "host".to_owned(),
                    why: format!("{} has an entry already", rule.host),
                });
            }
            registries.push(registry);
        }
        Ok(registries)
    }
}

fn compile(rule: &Rule) -> Result<Registry, (String, String)> {
    let authority = Authority::parse(&rule.host).ok_or_else(|| {
        let why = format!(
            "expected a host, `ghcr.io` or `127.0.0.1:5000`, found {:?}",
            rule.host
        );
        ("host".to_owned(), why)
    })?;
    let also = rule.also.iter().enumerate().map(|(index, host)| {
        Also::parse(host).ok_or_else(|| {
            let why = format!(
                "expected a host, `auth.example`, or `*.cdn.example` for all beneath one, found {host:?}"
            );
            (format!("also[{index}]"), why)
        })
    });
    let tls = tls(rule.ca.as_deref()).map_err(|why| ("ca".to_owned(), why))?;
    Ok(Registry {
        authority,
        plain_http: rule.plain_http,
        private_allowed: rule.allow_private_addresses,
        tls: Arc::new(tls),
        also: also.collect::<Result<_, _>>()?,
    })
}

fn tls(ca: Option<&str>) -> Result<ClientConfig, String> {
    let roots = match ca {
        Some(pem) => private_roots(pem)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    // One caller's connection has nothing to do with another's.
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

fn private_roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("expected PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("expected certificates of authorities: {error}"))?;
    }
    if roots.is_empty() {
        return Err("expected certificates in PEM, found none".to_owned());
    }
    Ok(roots)
}

impl Also {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(rest) => Authority::parse(rest).map(Self::Beneath),
            None => Authority::parse(text).map(Self::Host),
        }
    }

    fn serves(&self, url: &Url) -> bool {
        match self {
            Self::Host(authority) => authority.serves(url),
            Self::Beneath(authority) => authority.serves_beneath(url),
        }
    }
}

impl Registry {
    pub(crate) fn serves(&self, registry: &Authority) -> bool {
        self.authority.same(registry, !self.plain_http)
    }

    /// Whether this entry lets the registry send a client to `url`; `role` says what for.
    pub(crate) fn permit(&self, url: &Url, role: &'static str) -> Result<(), Refusal> {
        let host = authority(url);
        let registry = self.authority.to_string();
        match url.scheme() {
            "https" => {}
            "http" if self.plain_http => {}
            scheme => {
                return Err(Refusal::Scheme {
                    role,
                    scheme: scheme.to_owned(),
                    host,
                    registry,
                });
            }
        }
        if self.authority.serves(url) || self.also.iter().any(|also| also.serves(url)) {
            return Ok(());
        }
        Err(Refusal::Elsewhere {
            role,
            host,
            registry,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(host: &str) -> Rule {
        Rule {
            host: host.to_owned(),
            ..Rule::default()
        }
    }

    fn refusal(rule: Rule) -> String {
        let rules = Rules {
            registries: vec![self::rule("ghcr.io"), rule],
            ..Rules::default()
        };
        rules.compile().unwrap_err().to_string()
    }

    #[test]
    fn they_are_read_from_yaml() {
        let text = "
            registries:
              - host: ghcr.io
                also: [pkg-containers.githubusercontent.com]
              - host: registry.internal:5000
                plainHttp: true
                allowPrivateAddresses: true
            maxBytes: 1000
        ";
        let rules: Rules = serde_saphyr::from_str(text).unwrap();
        assert_eq!(rules.compile().unwrap().len(), 2);
        assert_eq!(rules.max_bytes, 1000);
        assert!(rules.registries[1].plain_http && rules.registries[1].allow_private_addresses);
        let unknown = serde_saphyr::from_str::<Rules>("registries: [{host: a.b, insecure: true}]");
        assert!(unknown.unwrap_err().to_string().contains("insecure"));
        let none: Rules = serde_saphyr::from_str("{}").unwrap();
        assert_eq!(none.max_bytes, DEFAULT_MAX_BYTES);
    }

    #[test]
    fn what_means_nothing_is_refused_with_its_place() {
        let with = |change: fn(&mut Rule)| {
            let mut rule = rule("r.example");
            change(&mut rule);
            refusal(rule)
        };
        for (found, place) in [
            (
                refusal(rule("https://r.example")),
                "plugins.registries[1].host",
            ),
            (refusal(rule("*.example")), "plugins.registries[1].host"),
            (refusal(rule("GHCR.io")), "has an entry already"),
            (
                with(|rule| rule.also = vec!["a.example".to_owned(), "*".to_owned()]),
                "plugins.registries[1].also[1]",
            ),
            (
                with(|rule| rule.ca = Some("no PEM".to_owned())),
                "plugins.registries[1].ca: expected certificates in PEM, found none",
            ),
        ] {
            assert!(found.contains(place), "{found}");
        }
    }

    #[test]
    fn an_entry_permits_its_hosts_and_no_others() {
        let registry = compile(&Rule {
            also: vec!["auth.example:8443".to_owned(), "*.cdn.example".to_owned()],
            ..rule("r.example")
        })
        .unwrap();
        let verdict = |url: &str| registry.permit(&Url::parse(url).unwrap(), "a redirect");
        for url in [
            "https://r.example/v2/",
            "https://R.example:443/v2/",
            "https://auth.example:8443/token",
            "https://eu.cdn.example/blob",
        ] {
            assert!(verdict(url).is_ok(), "{url}");
        }
        for url in [
            "https://r.example:8443/v2/",
            "https://auth.example/token",
            "https://evil.example/",
            "https://r.example.evil.example/",
            "https://r.example@evil.example/",
            "http://r.example/v2/",
            "file:///etc/passwd",
        ] {
            assert!(verdict(url).is_err(), "{url}");
        }
    }
}

//! Hosts, as references and rules name them.

use std::fmt;

use url::{Host, Url};

/// A host, and its port where that is not the one of the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    /// `name`, `name:port`, `address`, `address:port`, `[v6 address]:port`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None => None,
            // `parse` alone takes a sign, too.
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port != 0)?)
            }
            Some(_) => return None,
        };
        let host = Host::parse(host).ok()?;
        // It could only be meant for a pattern.
        if matches!(&host, Host::Domain(name) if name.contains('*')) {
            return None;
        }
        Some(Self { host, port })
    }

    /// Whether `url` leads to it.
    pub(crate) fn serves(&self, url: &Url) -> bool {
        url.host().map(|host| host.to_owned()).as_ref() == Some(&self.host) && self.serves_port(url)
    }

    /// Whether `url` leads to a host beneath this one, at its port.
    pub(crate) fn serves_beneath(&self, url: &Url) -> bool {
        let (Some(Host::Domain(name)), Host::Domain(suffix)) = (url.host(), &self.host) else {
            return false;
        };
        name.strip_suffix(suffix.as_str())
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            && self.serves_port(url)
    }

    fn serves_port(&self, url: &Url) -> bool {
        let of_scheme = if url.scheme() == "https" { 443 } else { 80 };
        url.port_or_known_default() == Some(self.port.unwrap_or(of_scheme))
    }

    /// Whether both lead to the same, with `https` or with `http`.
    pub(crate) fn same(&self, other: &Self, https: bool) -> bool {
        let port = |authority: &Self| authority.port.unwrap_or(if https { 443 } else { 80 });
        self.host == other.host && port(self) == port(other)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// What of `url` belongs into a rule or a message: its path and its query may hold secrets.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("no host");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Authority {
        Authority::parse(text).unwrap_or_else(|| panic!("{text} is refused"))
    }

    #[test]
    fn spellings_of_one_host_are_equal() {
        assert_eq!(parse("GHCR.io"), parse("ghcr.io"));
        // As a system's resolver would read them.
        assert_eq!(parse("0x7f.1:5000"), parse("127.0.0.1:5000"));
        assert_eq!(parse("[0:0::1]:5000"), parse("[::1]:5000"));
        assert!(parse("ghcr.io:443").same(&parse("ghcr.io"), true));
        assert!(!parse("ghcr.io:443").same(&parse("ghcr.io"), false));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":5000",
            "a b",
            "host/path",
            "user@host",
            "host:",
            "host:0",
            "host:+1",
            "host:70000",
            "a:b:c",
            "::1",
            "https://host",
            "*.host",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn beneath_takes_whole_labels() {
        let url = |text| Url::parse(text).unwrap();
        let cdn = parse("cdn.example");
        assert!(cdn.serves_beneath(&url("https://eu.cdn.example/x")));
        assert!(cdn.serves_beneath(&url("https://a.eu.cdn.example:443/x")));
        for other in [
            "https://cdn.example/x",
            "https://evilcdn.example/x",
            "https://.cdn.example/x",
            "https://eu.cdn.example:8443/x",
            "https://eu.cdn.example.evil/x",
        ] {
            assert!(!cdn.serves_beneath(&url(other)), "{other}");
        }
    }
}

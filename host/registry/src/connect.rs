//! Connections, to checked addresses alone.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::address;
use crate::error::Problem;
use crate::host::authority;
use crate::rules::Registry;

/// The addresses of a name, later.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Gives the addresses of names. What it gives is checked, and then connected to.
pub trait Resolve: Send + Sync {
    /// All addresses of `name`.
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a>;
}

/// As the system does.
pub(crate) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects to the host of `url`, which the rules name. Each step may take `limit`.
pub(crate) async fn connect(
    url: &Url,
    registry: &Registry,
    resolver: &dyn Resolve,
    limit: Duration,
) -> Result<Box<dyn Stream>, Problem> {
    let to = To {
        url,
        registry,
        limit,
    };
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(to.unreachable("it has no host"));
    };
    let addresses = to.addresses(&host, resolver).await?;
    let tcp = to.tcp(&addresses, port).await?;
    // Requests are small, and each waits for its answer.
    let _ = tcp.set_nodelay(true);
    if url.scheme() == "https" {
        to.tls(tcp, &host).await
    } else {
        Ok(Box::new(tcp))
    }
}

struct To<'a> {
    url: &'a Url,
    registry: &'a Registry,
    limit: Duration,
}

impl To<'_> {
    /// Those that one may connect to; at least one.
    async fn addresses(
        &self,
        host: &Host<&str>,
        resolver: &dyn Resolve,
    ) -> Result<Vec<IpAddr>, Problem> {
        let all = match host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                self.timed("looking up its addresses", resolver.resolve(name))
                    .await?
            }
        };
        let refused = |address: &IpAddr| {
            address::refused(host, *address, self.registry.private_allowed)
                .map(|why| format!("{address} ({why})"))
        };
        let reasons: Vec<_> = all.iter().filter_map(refused).collect();
        let allowed: Vec<_> = all
            .into_iter()
            .filter(|address| refused(address).is_none())
            .collect();
        match (allowed.is_empty(), reasons.is_empty()) {
            (false, _) => Ok(allowed),
            (true, true) => Err(self.unreachable("its name has no addresses")),
            (true, false) => Err(Problem::AddressRefused {
                host: self.host(),
                registry: self.registry.authority.to_string(),
                addresses: reasons.join(", "),
            }),
        }
    }

    async fn tcp(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, Problem> {
        let mut last = self.unreachable("its name has no addresses");
        for address in addresses {
            let connection = TcpStream::connect(SocketAddr::new(*address, port));
            match self.timed("connecting", connection).await {
                Ok(connected) => return Ok(connected),
                Err(problem) => last = problem,
            }
        }
        Err(last)
    }

    async fn tls(&self, tcp: TcpStream, host: &Host<&str>) -> Result<Box<dyn Stream>, Problem> {
        let name = match host {
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
            Host::Domain(name) => ServerName::try_from((*name).to_owned())
                .map_err(|_| self.unreachable("its name is not one for TLS"))?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.registry.tls));
        match timeout(self.limit, connector.connect(name, tcp)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(self.tls_failed(&error)),
            Err(_) => Err(self.too_slow("the TLS handshake")),
        }
    }

    fn tls_failed(&self, error: &io::Error) -> Problem {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(why)) => Problem::Untrusted {
                host: self.host(),
                registry: self.registry.authority.to_string(),
                why: why.to_string(),
            },
            _ => self.unreachable(format!("the TLS handshake failed: {error}")),
        }
    }

    async fn timed<T>(
        &self,
        what: &str,
        step: impl Future<Output = io::Result<T>>,
    ) -> Result<T, Problem> {
        match timeout(self.limit, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.unreachable(format!("{what} failed: {error}"))),
            Err(_) => Err(self.too_slow(what)),
        }
    }

    fn too_slow(&self, what: &str) -> Problem {
        self.unreachable(format!("{what} took longer than {:?}", self.limit))
    }

    fn unreachable(&self, why: impl Into<String>) -> Problem {
        Problem::Unreachable {
            host: self.host(),
            why: why.into(),
        }
    }

    fn host(&self) -> String {
        authority(self.url)
    }
}

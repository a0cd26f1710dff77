//! Servers that do as a test says, and names that lead where it says.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use testbench_registry::{Client, Credentials, Digest, Lookup, Reference, Resolve, Rule, Rules};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub(crate) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and what makes a component of it";
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET /v2/…`
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Who was asked, as the client names it.
    pub(crate) fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    pub(crate) fn is(&self, start: &str) -> bool {
        self.line.starts_with(start)
    }
}

/// What a script answers.
pub(crate) enum Reply {
    /// This, then the end.
    Whole(Vec<u8>),
    /// This, then silence.
    Hang(Vec<u8>),
    /// This, then zeros for ever; counts them.
    Endless(Vec<u8>, Arc<AtomicU64>),
}

pub(crate) fn reply(status: u16, headers: &[(&str, &str)], content: &[u8]) -> Reply {
    let mut head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n",
        content.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    Reply::Whole([head.as_bytes(), content].concat())
}

pub(crate) fn manifest(content: &str) -> Reply {
    reply(200, &[("Content-Type", MANIFEST_TYPE)], content.as_bytes())
}

pub(crate) fn moved(to: &str) -> Reply {
    reply(307, &[("Location", to)], b"")
}

/// A head, then zeros for ever.
pub(crate) fn endless(head: &str) -> Reply {
    Reply::Endless(head.as_bytes().to_vec(), Arc::default())
}

/// A manifest of [`COMPONENT`].
pub(crate) fn manifest_text() -> String {
    let digest = Digest::of(COMPONENT);
    let size = COMPONENT.len();
    format!(
        r#"{{"schemaVersion": 2, "layers": [{{"mediaType": "application/wasm", "digest": "{digest}", "size": {size}}}]}}"#
    )
}

/// A registry with [`COMPONENT`] and nothing else.
pub(crate) fn honest(seen: &Seen) -> Reply {
    if seen.is("GET /v2/team/phase/manifests/") {
        manifest(&manifest_text())
    } else if seen.is(&format!(
        "GET /v2/team/phase/blobs/{}",
        Digest::of(COMPONENT)
    )) {
        reply(200, &[], COMPONENT)
    } else {
        reply(404, &[], b"")
    }
}

/// A server on loopback, until this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    pub(crate) async fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (tls, script, record) = (tls.clone(), Arc::clone(&script), Arc::clone(&record));
                // A client may go at any time, and does: what it has not read is of no interest.
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => serve(tls.accept(tcp).await?, &*script, &record).await,
                        None => serve(tcp, &*script, &record).await,
                    }
                });
            }
        });
        Self { port, seen, task }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> String {
        self.named("127.0.0.1")
    }

    pub(crate) fn named(&self, name: &str) -> String {
        format!("{name}:{}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The request that begins with `start`; there is one.
    pub(crate) fn only(&self, start: &str) -> Seen {
        let mut found = self.seen().into_iter().filter(|seen| seen.is(start));
        let first = found.next();
        assert!(found.next().is_none(), "{start} was asked for twice");
        first.unwrap_or_else(|| panic!("{start} was not asked for: {:?}", self.seen()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &(impl Fn(&Seen) -> Reply + ?Sized),
    record: &Mutex<Vec<Seen>>,
) -> io::Result<()> {
    let Some(seen) = request(&mut stream).await? else {
        return Ok(());
    };
    record.lock().unwrap().push(seen.clone());
    match script(&seen) {
        Reply::Whole(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            // Until the client goes.
            stream.read(&mut [0]).await.map(|_| ())
        }
        Reply::Endless(bytes, sent) => {
            stream.write_all(&bytes).await?;
            let zeros = [0; 4096];
            loop {
                stream.write_all(&zeros).await?;
                sent.fetch_add(zeros.len() as u64, Ordering::Relaxed);
            }
        }
    }
}

/// `None` for what is no request.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Seen>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if byte.is_ascii_graphic() || byte.is_ascii_whitespace() => head.push(byte),
            _ => return Ok(None),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await?;
    Ok(Some(Seen { line, headers }))
}

/// Names, and where each leads.
pub(crate) struct Names(pub(crate) HashMap<String, Vec<IpAddr>>);

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        let found = self.0.get(name).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// Names beneath `.example` that lead to loopback.
pub(crate) fn names(names: &[&str]) -> Arc<Names> {
    let loopback = || vec!["127.0.0.1".parse().unwrap()];
    let names = names.iter().map(|name| ((*name).to_owned(), loopback()));
    Arc::new(Names(names.collect()))
}

/// A rule for a server without TLS.
pub(crate) fn plain(host: String) -> Rule {
    Rule {
        host,
        plain_http: true,
        ..Rule::default()
    }
}

pub(crate) fn client(rule: Rule) -> Client {
    client_up_to(1024, rule)
}

pub(crate) fn client_up_to(max_bytes: u64, rule: Rule) -> Client {
    let rules = Rules {
        registries: vec![rule],
        max_bytes,
    };
    Client::new(&rules).unwrap()
}

/// `team/phase:1` there.
pub(crate) fn reference(host: &str) -> Reference {
    format!("{host}/team/phase:1").parse().unwrap()
}

/// Resolved and fetched.
pub(crate) async fn pull(
    client: &Client,
    reference: &Reference,
    credentials: &Credentials,
) -> Result<Vec<u8>, testbench_registry::Error> {
    let manifest = client.resolve(reference, credentials).await?;
    client.fetch(reference, credentials, &manifest.layer).await
}

//! From a reference to a component.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use tokio::time::timeout;

use crate::connect::{Resolve, System};
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::error::{Error, Problem, Refusal};
use crate::exchange::{Ask, Wire};
use crate::manifest::{self, Layer, MAX_MANIFEST, Manifest};
use crate::push::{self, Artifact};
use crate::reference::Reference;
use crate::rules::{InvalidRules, Registry, Rules};
use crate::session::{Access, Session};

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a name's addresses, for a connection to each of them, for TLS: each.
    pub connect: Duration,
    /// For an answer to begin, and for each further piece of it.
    pub idle: Duration,
    /// For a whole call of the [`Client`], token and redirects included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(5 * 60),
        }
    }
}

/// A client of the registries that its rules name. Cheap to clone; keeps nothing between two calls.
#[derive(Clone)]
pub struct Client {
    registries: Arc<[Registry]>,
    max_bytes: u64,
    timeouts: Timeouts,
    resolver: Arc<dyn Resolve>,
}

impl Client {
    /// A client with the usual timeouts and the system's resolver.
    ///
    /// # Errors
    ///
    /// Where the rules mean nothing; says which.
    pub fn new(rules: &Rules) -> Result<Self, InvalidRules> {
        Ok(Self {
            registries: rules.compile()?.into(),
            max_bytes: rules.max_bytes,
            timeouts: Timeouts::default(),
            resolver: Arc::new(System),
        })
    }

    /// The same with other timeouts.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The same with another resolver of names.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// What `reference` is now: asks the registry for the manifest, which shows that `credentials` may have it.
    ///
    /// # Errors
    ///
    /// See [`Problem`].
    pub async fn resolve(
        &self,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Manifest, Error> {
        self.call(reference, credentials, Access::Pull, async |mut session| {
            let manifest = read_manifest(&mut session).await?;
            self.check_size(manifest.layer.size)?;
            Ok(manifest)
        })
        .await
    }

    /// The component that [`Client::resolve`] found.
    ///
    /// # Errors
    ///
    /// See [`Problem`].
    pub async fn fetch(
        &self,
        reference: &Reference,
        credentials: &Credentials,
        layer: &Layer,
    ) -> Result<Vec<u8>, Error> {
        self.call(reference, credentials, Access::Pull, async |mut session| {
            self.check_size(layer.size)?;
            read_layer(&mut session, layer).await
        })
        .await
    }

    /// Stores a component in the CNCF's layout for WebAssembly, under the tag of `reference` or, where it has none, its
    /// digest. Gives the manifest's digest, which is the same for the same artifact.
    ///
    /// # Errors
    ///
    /// See [`Problem`]. A digest in `reference` that is not the artifact's is one, before anything is stored.
    pub async fn push(
        &self,
        reference: &Reference,
        credentials: &Credentials,
        artifact: Artifact,
    ) -> Result<Digest, Error> {
        self.call(reference, credentials, Access::Push, async |mut session| {
            self.check_size(artifact.wasm.len() as u64)?;
            push::push(&mut session, artifact).await
        })
        .await
    }

    async fn call<T>(
        &self,
        reference: &Reference,
        credentials: &Credentials,
        access: Access,
        steps: impl AsyncFnOnce(Session<'_>) -> Result<T, Problem>,
    ) -> Result<T, Error> {
        let called = match self.session(reference, credentials, access) {
            Ok(session) => self.in_time(reference, steps(session)).await,
            Err(problem) => Err(problem),
        };
        called.map_err(|problem| Error {
            reference: reference.to_string(),
            problem,
        })
    }

    fn session<'a>(
        &'a self,
        reference: &'a Reference,
        credentials: &'a Credentials,
        access: Access,
    ) -> Result<Session<'a>, Problem> {
        let registry = self
            .registries
            .iter()
            .find(|registry| registry.serves(&reference.registry))
            .ok_or_else(|| Refusal::Registry {
                host: reference.registry(),
            })?;
        let wire = Wire {
            registry,
            resolver: &*self.resolver,
            timeouts: self.timeouts,
        };
        Session::new(wire, reference, credentials, access)
    }

    async fn in_time<T>(
        &self,
        reference: &Reference,
        steps: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let limit = self.timeouts.total;
        timeout(limit, steps).await.unwrap_or_else(|_| {
            Err(Problem::Unreachable {
                host: reference.registry(),
                why: format!("all of it took longer than {limit:?}"),
            })
        })
    }

    fn check_size(&self, size: u64) -> Result<(), Problem> {
        if size <= self.max_bytes {
            return Ok(());
        }
        Err(Problem::TooLarge {
            what: COMPONENT,
            limit: self.max_bytes,
            set_by: "plugins.maxBytes in the operator's --config file",
            found: size.to_string(),
        })
    }
}

const MANIFEST: &str = "manifest";
const COMPONENT: &str = "component";

async fn read_manifest(session: &mut Session<'_>) -> Result<Manifest, Problem> {
    let mut ask = Ask::new(Method::GET, "a redirect");
    ask.accept = Some(HeaderValue::from_static(manifest::ACCEPT));
    let url = session.url(&format!("manifests/{}", session.reference.target()))?;
    let answer = session.call(&ask, url).await?;
    let answer = session.expect(answer, &[StatusCode::OK], MANIFEST).await?;
    let content_type = answer.header("content-type").map(str::to_owned);
    let claimed = answer
        .header("docker-content-digest")
        .map(|digest| {
            let invalid =
                |error| answer.misbehaves(format!("its header Docker-Content-Digest: {error}"));
            digest.parse::<Digest>().map_err(invalid)
        })
        .transpose()?;
    let content = answer
        .content(MAX_MANIFEST)
        .await?
        .ok_or_else(|| Problem::TooLarge {
            what: MANIFEST,
            limit: MAX_MANIFEST,
            set_by: "the specification of registries",
            found: "more".to_owned(),
        })?;
    for expected in [session.reference.digest(), claimed].into_iter().flatten() {
        check_digest(MANIFEST, expected, &content)?;
    }
    manifest::read(&content, content_type.as_deref())
}

async fn read_layer(session: &mut Session<'_>, layer: &Layer) -> Result<Vec<u8>, Problem> {
    let url = session.url(&format!("blobs/{}", layer.digest))?;
    let answer = session
        .call(&Ask::new(Method::GET, "a redirect"), url)
        .await?;
    let answer = session.expect(answer, &[StatusCode::OK], COMPONENT).await?;
    let size = |found: String| Problem::DigestMismatch {
        what: COMPONENT,
        expected: format!("{} bytes", layer.size),
        found,
    };
    let content = answer
        .content(layer.size)
        .await?
        .ok_or_else(|| size("more".to_owned()))?;
    if content.len() as u64 != layer.size {
        return Err(size(content.len().to_string()));
    }
    check_digest(COMPONENT, layer.digest, &content)?;
    manifest::check_component(&content)?;
    Ok(content)
}

fn check_digest(what: &'static str, expected: Digest, content: &[u8]) -> Result<(), Problem> {
    let found = Digest::of(content);
    if found == expected {
        return Ok(());
    }
    Err(Problem::DigestMismatch {
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

//! Requests and answers.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName,
    LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::{Origin, Url};

use crate::client::Timeouts;
use crate::connect::{Resolve, connect};
use crate::error::{Problem, Refusal};
use crate::host::authority;
use crate::rules::Registry;

/// Enough for a registry that leads to a mirror that leads to its storage.
const MAX_REDIRECTS: usize = 5;

/// A request, but for where it goes and who sends it.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) accept: Option<HeaderValue>,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
    /// What a redirect of it is, in messages.
    pub(crate) role: &'static str,
}

impl Ask {
    pub(crate) fn new(method: Method, role: &'static str) -> Self {
        Self {
            method,
            accept: None,
            content_type: None,
            body: Bytes::new(),
            role,
        }
    }
}

/// How to reach the hosts of one entry of the rules.
pub(crate) struct Wire<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) resolver: &'a dyn Resolve,
    pub(crate) timeouts: Timeouts,
}

/// An answer, its content still to be read.
pub(crate) struct Answer {
    /// Who gave it, after redirects.
    pub(crate) url: Url,
    response: Response<Incoming>,
    idle: Duration,
    _connection: Connection,
}

/// Given up when dropped, whatever the other side still sends.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Wire<'_> {
    /// Sends `ask` to `url`, and where that leads. `authorization` goes to `home` alone, and not even there once the way has
    /// led elsewhere.
    pub(crate) async fn follow(
        &self,
        ask: &Ask,
        mut url: Url,
        authorization: Option<&HeaderValue>,
        home: &Origin,
    ) -> Result<Answer, Problem> {
        let mut authorization = authorization;
        for _ in 0..=MAX_REDIRECTS {
            self.registry.permit(&url, ask.role)?;
            if url.origin() != *home {
                authorization = None;
            }
            let answer = self.exchange(ask, &url, authorization).await?;
            let Some(next) = answer.redirect(ask)? else {
                return Ok(answer);
            };
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(Problem::NotAllowed(Refusal::Downgrade {
                    role: ask.role,
                    host: authority(&next),
                    registry: self.registry.authority.to_string(),
                }));
            }
            url = next;
        }
        let what = format!("it redirects more than {MAX_REDIRECTS} times");
        Err(misbehaves(&url, what))
    }

    async fn exchange(
        &self,
        ask: &Ask,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Problem> {
        let stream = connect(url, self.registry, self.resolver, self.timeouts.connect).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(url, &error))?;
        // Ends with an error that the request gets, too.
        let connection = Connection(tokio::spawn(async {
            let _ = connection.await;
        }));
        let answered = sender.send_request(request(ask, url, authorization)?);
        let answered = if ask.body.is_empty() {
            idle(self.timeouts.idle, url, answered).await?
        } else {
            // Sending takes as long as it takes; the limit of the whole call ends it.
            answered.await
        };
        Ok(Answer {
            url: url.clone(),
            response: answered.map_err(|error| broken(url, &error))?,
            idle: self.timeouts.idle,
            _connection: connection,
        })
    }
}

fn request(
    ask: &Ask,
    url: &Url,
    authorization: Option<&HeaderValue>,
) -> Result<Request<Full<Bytes>>, Problem> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::builder()
        .method(&ask.method)
        .uri(target)
        .header(HOST, authority(url))
        .header(USER_AGENT, concat!("testbench/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT_ENCODING, "identity")
        .body(Full::new(ask.body.clone()))
        .map_err(|_| misbehaves(url, "it leads to an address that cannot be asked for"))?;
    let headers = request.headers_mut();
    let mut set = |name: HeaderName, value: Option<&HeaderValue>| {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    };
    set(ACCEPT, ask.accept.as_ref());
    set(CONTENT_TYPE, ask.content_type.as_ref());
    set(AUTHORIZATION, authorization);
    if ask.method != Method::GET && ask.method != Method::HEAD {
        set(CONTENT_LENGTH, Some(&HeaderValue::from(ask.body.len())));
    }
    Ok(request)
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// `None` also for one that is not ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// Who gave it, for messages.
    pub(crate) fn host(&self) -> String {
        authority(&self.url)
    }

    /// Where its `Location` leads.
    pub(crate) fn location(&self) -> Result<Url, Problem> {
        let location = self.header(LOCATION.as_str());
        location
            .and_then(|location| self.url.join(location).ok())
            .ok_or_else(|| self.misbehaves("its header Location is missing or not an address"))
    }

    fn redirect(&self, ask: &Ask) -> Result<Option<Url>, Problem> {
        let safe = ask.method == Method::GET;
        let moved = matches!(self.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        (safe && moved).then(|| self.location()).transpose()
    }

    /// Its content, or `None` where that is more than `limit` bytes.
    pub(crate) async fn content(mut self, limit: u64) -> Result<Option<Vec<u8>>, Problem> {
        if self.response.body().size_hint().lower() > limit {
            return Ok(None);
        }
        let mut content = Vec::new();
        let body = self.response.body_mut();
        while let Some(frame) = idle(self.idle, &self.url, body.frame()).await? {
            let frame = frame.map_err(|error| broken(&self.url, &error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if (content.len() + data.len()) as u64 > limit {
                return Ok(None);
            }
            content.extend_from_slice(&data);
        }
        Ok(Some(content))
    }

    pub(crate) fn misbehaves(&self, what: impl Into<String>) -> Problem {
        misbehaves(&self.url, what)
    }
}

pub(crate) fn misbehaves(url: &Url, what: impl Into<String>) -> Problem {
    Problem::Misbehaves {
        host: authority(url),
        what: what.into(),
    }
}

async fn idle<T>(limit: Duration, url: &Url, step: impl Future<Output = T>) -> Result<T, Problem> {
    timeout(limit, step)
        .await
        .map_err(|_| Problem::Unreachable {
            host: authority(url),
            why: format!("it sent nothing for {limit:?}"),
        })
}

fn broken(url: &Url, error: &hyper::Error) -> Problem {
    if error.is_parse() {
        return misbehaves(url, format!("it does not speak HTTP ({error})"));
    }
    Problem::Unreachable {
        host: authority(url),
        why: format!("the connection broke: {error}"),
    }
}

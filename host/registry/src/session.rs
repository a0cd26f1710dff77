//! One call's requests to one registry.

use http::header::{HeaderValue, InvalidHeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::auth::{Challenge, token, token_request};
use crate::credentials::Credentials;
use crate::error::Problem;
use crate::exchange::{Answer, Ask, Wire, misbehaves};
use crate::reference::Reference;

/// Tokens take a few kB, errors less.
const MAX_SMALL_ANSWER: u64 = 256 * 1024;

/// What a call may do; a token allows no more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// The errors of the distribution specification: a registry's own words could hold anything, these cannot.
const CODES: &[&str] = &[
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TAG_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNSUPPORTED",
];

pub(crate) struct Session<'a> {
    wire: Wire<'a>,
    pub(crate) reference: &'a Reference,
    credentials: &'a Credentials,
    access: Access,
    /// The repository, below which everything is.
    base: Url,
    authorization: Option<HeaderValue>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        wire: Wire<'a>,
        reference: &'a Reference,
        credentials: &'a Credentials,
        access: Access,
    ) -> Result<Self, Problem> {
        let scheme = if wire.registry.plain_http {
            "http"
        } else {
            "https"
        };
        let base = format!(
            "{scheme}://{}/v2/{}/",
            reference.registry,
            reference.repository()
        );
        let base = Url::parse(&base).map_err(|error| Problem::Misbehaves {
            host: reference.registry(),
            what: error.to_string(),
        })?;
        Ok(Self {
            wire,
            reference,
            credentials,
            access,
            base,
            authorization: None,
        })
    }

    /// What is at `path` beneath the repository.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Problem> {
        self.base
            .join(path)
            .map_err(|error| misbehaves(&self.base, error.to_string()))
    }

    /// The answer to `ask`, which follows redirects and says who asks as far as the registry wants to know.
    pub(crate) async fn call(&mut self, ask: &Ask, url: Url) -> Result<Answer, Problem> {
        let answer = self.send(ask, url.clone()).await?;
        let asks_who = answer.status() == StatusCode::UNAUTHORIZED
            && answer.url.origin() == self.base.origin()
            && self.authorization.is_none();
        if !asks_who {
            return Ok(answer);
        }
        let Some(challenge) = Challenge::of(answer.headers()) else {
            return Err(answer.misbehaves(
                "it wants to know who asks, but neither by a password (Basic) nor by a token (Bearer)",
            ));
        };
        self.authorization = Some(self.authorization(&answer, challenge).await?);
        self.send(ask, url).await
    }

    async fn send(&self, ask: &Ask, url: Url) -> Result<Answer, Problem> {
        let authorization = self.authorization.as_ref();
        self.wire
            .follow(ask, url, authorization, &self.base.origin())
            .await
    }

    async fn authorization(
        &self,
        answer: &Answer,
        challenge: Challenge,
    ) -> Result<HeaderValue, Problem> {
        match challenge {
            Challenge::Basic => self
                .password()?
                .ok_or_else(|| self.denied(answer.host(), "it wants a password".to_owned())),
            Challenge::Bearer { realm, service } => self.token(&realm, service.as_deref()).await,
        }
    }

    fn password(&self) -> Result<Option<HeaderValue>, Problem> {
        self.credentials
            .header()
            .map(sensitive)
            .transpose()
            .map_err(|_| misbehaves(&self.base, "the password is not one for HTTP"))
    }

    async fn token(&self, realm: &Url, service: Option<&str>) -> Result<HeaderValue, Problem> {
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let url = token_request(realm, service, self.reference.repository(), actions);
        let password = self.password()?;
        let ask = Ask::new(Method::GET, "the token service");
        let answer = self
            .wire
            .follow(&ask, url, password.as_ref(), &realm.origin())
            .await?;
        let answer = self.expect(answer, &[StatusCode::OK], "token").await?;
        let host = answer.url.clone();
        answer
            .content(MAX_SMALL_ANSWER)
            .await?
            .and_then(|content| token(&content))
            .and_then(|token| sensitive(format!("Bearer {token}")).ok())
            .ok_or_else(|| misbehaves(&host, "as a token service, it answers without a token"))
    }

    /// `answer`, if its status is one of `statuses`.
    pub(crate) async fn expect(
        &self,
        answer: Answer,
        statuses: &[StatusCode],
        what: &'static str,
    ) -> Result<Answer, Problem> {
        let status = answer.status();
        if statuses.contains(&status) {
            return Ok(answer);
        }
        let (url, host) = (answer.url.clone(), answer.host());
        let why = described(status, code(answer).await);
        Err(match status.as_u16() {
            401 | 403 => self.denied(host, why),
            404 => Problem::NotFound { host, what },
            408 | 429 | 500.. => Problem::Unreachable { host, why },
            _ => misbehaves(&url, format!("asked for the {what}, it answers {why}")),
        })
    }

    fn denied(&self, host: String, why: String) -> Problem {
        let advice = if self.credentials.is_anonymous() {
            "nobody's credentials were given, and it may take some (`pullSecretRef`)"
        } else {
            "check the credentials that were given, and what they may do there"
        };
        Problem::Unauthorized { host, why, advice }
    }
}

/// A header that nothing shows.
fn sensitive(value: String) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    Ok(value)
}

fn described(status: StatusCode, code: Option<&'static str>) -> String {
    match code {
        Some(code) => format!("{status}, {code}"),
        None => status.to_string(),
    }
}

/// The error that the registry names, where it is one of the specification's.
async fn code(answer: Answer) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        code: String,
    }
    let content = answer.content(MAX_SMALL_ANSWER).await.ok()??;
    let Errors { errors } = serde_json::from_slice(&content).ok()?;
    let named = errors.into_iter().next()?.code;
    CODES.iter().find(|code| **code == named).copied()
}

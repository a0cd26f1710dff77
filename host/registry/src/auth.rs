//! What a registry wants to know of who asks: a password, or a token of a service that it names.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::ChallengeParser;
use serde::Deserialize;
use url::Url;

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password.
    Basic,
    /// A token.
    Bearer {
        /// Who gives it.
        realm: Url,
        /// What for, in that service's words.
        service: Option<String>,
    },
}

impl Challenge {
    /// A token before a password, which then goes to the service alone. `None` where nothing is asked for that is known here.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let all: Vec<_> = headers
            .get_all(WWW_AUTHENTICATE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| ChallengeParser::new(value).map_while(Result::ok))
            .collect();
        let of = |scheme: &str| {
            all.iter()
                .find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
        };
        let bearer = of("bearer").and_then(|challenge| {
            let parameter = |name: &str| {
                let (_, value) = challenge
                    .params
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            Some(Self::Bearer {
                realm: Url::parse(&parameter("realm")?).ok()?,
                service: parameter("service"),
            })
        });
        bearer.or_else(|| of("basic").map(|_| Self::Basic))
    }
}

/// Where to ask the service at `realm` for a token that allows `actions` on `repository`: for what we do, whatever the
/// registry proposes.
pub(crate) fn token_request(
    realm: &Url,
    service: Option<&str>,
    repository: &str,
    actions: &str,
) -> Url {
    let mut url = realm.clone();
    let mut query = url.query_pairs_mut();
    if let Some(service) = service {
        query.append_pair("service", service);
    }
    query.append_pair("scope", &format!("repository:{repository}:{actions}"));
    drop(query);
    url
}

/// The answer of a token service.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The token of an answer.
pub(crate) fn token(answer: &[u8]) -> Option<String> {
    let Token {
        token,
        access_token,
    } = serde_json::from_slice(answer).ok()?;
    token.or(access_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.parse().unwrap(),
            service: service.map(str::to_owned),
        }
    }

    #[test]
    fn a_challenge_is_read_however_it_is_written() {
        let ghcr =
            r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a,b:pull""#;
        assert_eq!(
            challenge(&[ghcr]),
            Some(bearer("https://ghcr.io/token", Some("ghcr.io")))
        );
        assert_eq!(
            challenge(&[r#"basic realm="x", BEARER Realm="https://a.example/t""#]),
            Some(bearer("https://a.example/t", None))
        );
        assert_eq!(challenge(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(
            challenge(&[r#"Bearer realm="/relative""#, "Basic realm=x"]),
            Some(Challenge::Basic)
        );
        for nothing in [&[][..], &["Negotiate"], &["Bearer"], &["=,=\""], &[""]] {
            assert_eq!(challenge(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_token_is_asked_for_by_name() {
        let url = token_request(
            &"https://a.example/t?x=1".parse().unwrap(),
            Some("r&s"),
            "team/phase",
            "pull",
        );
        assert_eq!(
            url.as_str(),
            "https://a.example/t?x=1&service=r%26s&scope=repository%3Ateam%2Fphase%3Apull"
        );
    }

    #[test]
    fn either_name_of_a_token_will_do() {
        assert_eq!(
            token(br#"{"token": "a", "expires_in": 1}"#).as_deref(),
            Some("a")
        );
        assert_eq!(token(br#"{"access_token": "b"}"#).as_deref(), Some("b"));
        for nothing in ["", "[]", "{}", r#"{"token": 1}"#] {
            assert_eq!(token(nothing.as_bytes()), None, "{nothing}");
        }
    }
}

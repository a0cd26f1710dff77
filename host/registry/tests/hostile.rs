//! Registries that send a client elsewhere, lie, dawdle or flood.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not inside test functions, but fail like them"
)]

mod support;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use testbench_registry::{
    Artifact, Client, Credentials, Digest, Error, Layer, Lookup, Problem, Refusal, Resolve, Rule,
    Rules, Timeouts,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use support::{
    COMPONENT, MANIFEST_TYPE, Names, Reply, Seen, Server, client, client_up_to, endless, honest,
    manifest, manifest_text, moved, names, plain, pull, reference, reply,
};

const USER: &str = "alice";
const PASSWORD: &str = "hunter2";
/// `alice:hunter2`.
const BASIC: &str = "Basic YWxpY2U6aHVudGVyMg==";
const TOKEN: &str = "t0ken-of-alice";

fn nobody() -> Credentials {
    Credentials::anonymous()
}

fn alice() -> Credentials {
    Credentials::basic(USER, PASSWORD)
}

/// Every error is held to this.
fn text(error: &Error) -> String {
    let text = format!("{error} {error:?}");
    for secret in [PASSWORD, "YWxpY2U6aHVudGVyMg", TOKEN, "s1gnature"] {
        assert!(!text.contains(secret), "{text}");
    }
    error.to_string()
}

/// The error of a pull from a registry that answers so, with a rule for it alone.
async fn refused(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Error {
    let server = Server::start(script).await;
    let client = client(plain(server.host()));
    let error = pull(&client, &reference(&server.host()), &alice())
        .await
        .unwrap_err();
    text(&error);
    error
}

/// As [`honest`], but for the component itself.
fn blob(reply: impl Fn(&Seen) -> Reply) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        if seen.is("GET /v2/team/phase/blobs/") {
            reply(seen)
        } else {
            honest(seen)
        }
    }
}

mod lists {
    use super::*;

    #[tokio::test]
    async fn an_unlisted_registry_is_not_asked() {
        let listed = Server::start(honest).await;
        let other = Server::start(honest).await;
        let client = client(plain(listed.host()));
        let error = pull(&client, &reference(&other.host()), &alice())
            .await
            .unwrap_err();
        assert!(matches!(
            error.problem,
            Problem::NotAllowed(Refusal::Registry { .. })
        ));
        let text = text(&error);
        for part in [
            "plugins.registries",
            "--config",
            &format!("`- host: {}`", other.host()),
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!error.is_transient());
        assert!(other.seen().is_empty() && listed.seen().is_empty());
    }

    #[tokio::test]
    async fn without_rules_nobody_is_asked() {
        let server = Server::start(honest).await;
        let client = Client::new(&Rules::default()).unwrap();
        let error = pull(&client, &reference(&server.host()), &nobody()).await;
        assert!(matches!(error.unwrap_err().problem, Problem::NotAllowed(_)));
        assert!(server.seen().is_empty());
    }

    #[tokio::test]
    async fn a_redirect_to_an_unlisted_host_is_not_followed() {
        let other = Server::start(honest).await;
        let to = format!("http://{}/blob?key=s1gnature", other.host());
        let error = refused(blob(move |_| moved(&to))).await;
        assert!(matches!(
            error.problem,
            Problem::NotAllowed(Refusal::Elsewhere { .. })
        ));
        let text = text(&error);
        for part in [
            "a redirect of",
            "plugins.registries",
            &format!("add `{}` to `also`", other.host()),
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(other.seen().is_empty());
    }

    #[tokio::test]
    async fn a_token_service_at_an_unlisted_host_gets_no_password() {
        let other = Server::start(|_| reply(200, &[], b"{}")).await;
        let realm = format!("http://{}/token", other.host());
        let error = refused(move |_| {
            let challenge = format!("Bearer realm=\"{realm}\"");
            reply(401, &[("WWW-Authenticate", &challenge)], b"")
        })
        .await;
        assert!(matches!(
            error.problem,
            Problem::NotAllowed(Refusal::Elsewhere { .. })
        ));
        let text = text(&error);
        for part in ["the token service of", "plugins.registries", &other.host()] {
            assert!(text.contains(part), "{text}");
        }
        assert!(other.seen().is_empty());
    }

    #[tokio::test]
    async fn an_upload_to_an_unlisted_host_is_not_made() {
        let other = Server::start(|_| reply(201, &[], b"")).await;
        let location = format!("http://{}/upload?key=s1gnature", other.host());
        let server = Server::start(move |seen| match seen {
            seen if seen.is("HEAD") => reply(404, &[], b""),
            _ => reply(202, &[("Location", &location)], b""),
        })
        .await;
        let artifact = Artifact {
            wasm: COMPONENT.to_vec(),
            ..Artifact::default()
        };
        let client = client(plain(server.host()));
        let error = client
            .push(&reference(&server.host()), &alice(), artifact)
            .await
            .unwrap_err();
        assert!(text(&error).contains("the upload of"), "{error}");
        assert!(other.seen().is_empty());
    }

    #[tokio::test]
    async fn a_redirect_to_the_metadata_service_is_not_followed() {
        for to in [
            "http://169.254.169.254/latest/meta-data",
            "http://2852039166/latest",
            "http://[::ffff:169.254.169.254]/latest",
        ] {
            let error = refused(blob(move |_| moved(to))).await;
            assert!(matches!(error.problem, Problem::NotAllowed(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn other_schemes_are_not_followed() {
        for to in [
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "gopher://127.0.0.1/",
        ] {
            let error = refused(blob(move |_| moved(to))).await;
            assert!(
                matches!(error.problem, Problem::NotAllowed(Refusal::Scheme { .. })),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn redirects_end() {
        let server = Server::start(blob(|_| moved("?again"))).await;
        let client = client(plain(server.host()));
        let error = pull(&client, &reference(&server.host()), &nobody())
            .await
            .unwrap_err();
        assert!(
            matches!(error.problem, Problem::Misbehaves { .. }),
            "{error}"
        );
        assert!(text(&error).contains("more than 5 times"), "{error}");
        let blobs = server
            .seen()
            .into_iter()
            .filter(|seen| seen.line.contains("/blobs/"));
        assert_eq!(blobs.count(), 6);
    }

    #[tokio::test]
    async fn a_redirect_that_leads_nowhere_is_said_to() {
        for headers in [&[][..], &[("Location", "http://")]] {
            let error = refused(blob(move |_| reply(302, headers, b""))).await;
            assert!(text(&error).contains("Location"), "{error}");
        }
    }
}

mod addresses {
    use super::*;

    fn rule(server: &Server, name: &str, private: bool) -> Rule {
        Rule {
            allow_private_addresses: private,
            ..plain(server.named(name))
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_loopback_needs_leave() {
        let server = Server::start(honest).await;
        let reference = reference(&server.named("r.example"));
        let with = |private| {
            client(rule(&server, "r.example", private)).with_resolver(names(&["r.example"]))
        };
        let error = pull(&with(false), &reference, &nobody()).await.unwrap_err();
        assert!(matches!(error.problem, Problem::AddressRefused { .. }));
        let text = text(&error);
        for part in [
            "127.0.0.1 (loopback)",
            "r.example",
            "plugins.registries",
            "allowPrivateAddresses",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!error.is_transient());
        assert!(server.seen().is_empty());
        assert_eq!(
            pull(&with(true), &reference, &nobody()).await.unwrap(),
            COMPONENT
        );
    }

    #[tokio::test]
    async fn no_leave_reaches_the_metadata_service() {
        let server = Server::start(honest).await;
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "0.0.0.0",
            "fd00:ec2::254",
        ] {
            let names = Names([("r.example".to_owned(), vec![address.parse().unwrap()])].into());
            let client = client(rule(&server, "r.example", true)).with_resolver(Arc::new(names));
            let error = pull(&client, &reference(&server.named("r.example")), &nobody()).await;
            let problem = error.unwrap_err().problem;
            assert!(
                matches!(problem, Problem::AddressRefused { .. }),
                "{problem}"
            );
        }
    }

    /// Says one thing first, and another ever after.
    struct Rebound(AtomicU64);

    impl Resolve for Rebound {
        fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
            let address = match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => "127.0.0.1",
                _ => "169.254.169.254",
            };
            Box::pin(async move { Ok(vec![address.parse().unwrap()]) })
        }
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_checked_again() {
        let server = Server::start(honest).await;
        let client = client(rule(&server, "r.example", true))
            .with_resolver(Arc::new(Rebound(AtomicU64::new(0))));
        let reference = reference(&server.named("r.example"));
        let manifest = client.resolve(&reference, &nobody()).await.unwrap();
        let fetched = client.fetch(&reference, &nobody(), &manifest.layer).await;
        let problem = fetched.unwrap_err().problem;
        assert!(
            matches!(problem, Problem::AddressRefused { .. }),
            "{problem}"
        );
    }

    #[tokio::test]
    async fn of_several_addresses_the_allowed_one_is_taken() {
        let server = Server::start(honest).await;
        let several = ["169.254.169.254", "::ffff:127.0.0.1"].map(|it| it.parse().unwrap());
        let names = Names([("r.example".to_owned(), several.to_vec())].into());
        let client = client(rule(&server, "r.example", true)).with_resolver(Arc::new(names));
        let pulled = pull(&client, &reference(&server.named("r.example")), &nobody()).await;
        assert_eq!(pulled.unwrap(), COMPONENT);
    }

    #[tokio::test]
    async fn a_listed_redirect_is_checked_as_well() {
        let storage = Server::start(|_| reply(200, &[], COMPONENT)).await;
        let to = format!("http://{}/blob", storage.named("cdn.example"));
        let server = Server::start(blob(move |_| moved(&to))).await;
        // The registry is an address, and so itself allowed.
        let rule = Rule {
            also: vec![storage.named("*.example")],
            ..plain(server.host())
        };
        let client = client(rule).with_resolver(names(&["cdn.example"]));
        let error = pull(&client, &reference(&server.host()), &nobody())
            .await
            .unwrap_err();
        assert!(
            matches!(error.problem, Problem::AddressRefused { .. }),
            "{error}"
        );
        assert!(storage.seen().is_empty());
    }

    #[tokio::test]
    async fn a_name_without_addresses_may_get_some() {
        let server = Server::start(honest).await;
        let reference = reference(&server.named("none.example"));
        let client = client(rule(&server, "none.example", true)).with_resolver(names(&[]));
        let error = pull(&client, &reference, &nobody()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let nowhere = Names([("none.example".to_owned(), vec![])].into());
        let client = client.with_resolver(Arc::new(nowhere));
        let error = pull(&client, &reference, &nobody()).await.unwrap_err();
        assert!(text(&error).contains("no addresses"), "{error}");
    }

    #[tokio::test]
    async fn localhost_is_meant() {
        let server = Server::start(honest).await;
        let client = client(plain(server.named("localhost"))).with_resolver(names(&["localhost"]));
        let pulled = pull(&client, &reference(&server.named("localhost")), &nobody()).await;
        assert_eq!(pulled.unwrap(), COMPONENT);
    }
}

mod who_asks {
    use super::*;

    /// The registry, and what it wants to see.
    fn wants(challenge: &'static str, authorization: &'static str) -> impl Fn(&Seen) -> Reply {
        move |seen| {
            if seen.header("authorization") == Some(authorization) {
                honest(seen)
            } else {
                let challenge = challenge.replace("HOST", seen.host());
                let content = br#"{"errors": [{"code": "UNAUTHORIZED", "message": "hunter2"}]}"#;
                reply(401, &[("WWW-Authenticate", &challenge)], content)
            }
        }
    }

    /// The same, with its token service.
    fn gives_tokens(seen: &Seen) -> Reply {
        let allowed = seen.header("authorization") == Some(BASIC);
        if seen.is("GET /token?") {
            let token = format!(r#"{{"token": "{TOKEN}"}}"#);
            return match allowed {
                true => reply(200, &[], token.as_bytes()),
                false => reply(403, &[], br#"{"errors": [{"code": "DENIED"}]}"#),
            };
        }
        wants(
            r#"Bearer realm="http://HOST/token",service="the registry",scope="repository:everything:push""#,
            "Bearer t0ken-of-alice",
        )(seen)
    }

    #[tokio::test]
    async fn a_password_is_sent_when_it_is_asked_for() {
        let server = Server::start(wants("Basic realm=\"r\"", BASIC)).await;
        let client = client(plain(server.host()));
        let reference = reference(&server.host());
        assert_eq!(
            pull(&client, &reference, &alice()).await.unwrap(),
            COMPONENT
        );
        let first = server.seen().into_iter().next().unwrap();
        assert_eq!(first.header("authorization"), None);
    }

    #[tokio::test]
    async fn a_token_is_asked_for_what_is_done() {
        let server = Server::start(gives_tokens).await;
        let client = client(plain(server.host()));
        let manifest = client.resolve(&reference(&server.host()), &alice()).await;
        assert_eq!(manifest.unwrap().layer.digest, Digest::of(COMPONENT));
        let asked = server.only("GET /token?");
        assert_eq!(asked.header("authorization"), Some(BASIC));
        assert!(
            asked.is("GET /token?service=the+registry&scope=repository%3Ateam%2Fphase%3Apull "),
            "{asked:?}"
        );
        // The password went nowhere else.
        let others = server
            .seen()
            .into_iter()
            .filter(|seen| seen.line.contains("/v2/"));
        assert!(
            others
                .into_iter()
                .all(|seen| seen.header("authorization") != Some(BASIC))
        );
    }

    #[tokio::test]
    async fn a_token_service_elsewhere_has_to_be_listed() {
        let service = Server::start(gives_tokens).await;
        let realm = format!("http://{}/token", service.host());
        let server = Server::start(move |seen| {
            if seen.header("authorization") == Some("Bearer t0ken-of-alice") {
                return honest(seen);
            }
            let challenge = format!("Bearer realm=\"{realm}\"");
            reply(401, &[("WWW-Authenticate", &challenge)], b"")
        })
        .await;
        let rule = Rule {
            also: vec![service.host()],
            ..plain(server.host())
        };
        let reference = reference(&server.host());
        let manifest = client(rule).resolve(&reference, &alice()).await;
        assert_eq!(manifest.unwrap().layer.digest, Digest::of(COMPONENT));
        let asked = service.only("GET /token?scope=repository%3Ateam%2Fphase%3Apull ");
        assert_eq!(asked.header("authorization"), Some(BASIC));
        // The registry itself never sees the password.
        for seen in server.seen() {
            assert_ne!(seen.header("authorization"), Some(BASIC));
        }
    }

    #[tokio::test]
    async fn every_call_proves_access_anew() {
        let server = Server::start(gives_tokens).await;
        let client = client(plain(server.host()));
        let reference = reference(&server.host());
        let manifest = client.resolve(&reference, &alice()).await.unwrap();
        for credentials in [nobody(), Credentials::basic(USER, "wrong")] {
            for error in [
                client.resolve(&reference, &credentials).await.unwrap_err(),
                client
                    .fetch(&reference, &credentials, &manifest.layer)
                    .await
                    .unwrap_err(),
            ] {
                assert!(
                    matches!(error.problem, Problem::Unauthorized { .. }),
                    "{error}"
                );
                assert!(text(&error).contains("DENIED"), "{error}");
                assert!(!error.is_transient());
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_says_whether_there_were_credentials() {
        let server = Server::start(wants("Basic realm=\"r\"", "none will do")).await;
        let client = client(plain(server.host()));
        let reference = reference(&server.host());
        for (credentials, advice) in [
            (nobody(), "pullSecretRef"),
            (alice(), "check the credentials"),
        ] {
            let error = pull(&client, &reference, &credentials).await.unwrap_err();
            assert!(
                matches!(error.problem, Problem::Unauthorized { .. }),
                "{error}"
            );
            assert!(text(&error).contains(advice), "{error}");
        }
    }

    #[tokio::test]
    async fn a_challenge_of_another_kind_is_named() {
        let error = refused(|_| reply(401, &[("WWW-Authenticate", "Negotiate")], b"")).await;
        assert!(text(&error).contains("Basic"), "{error}");
    }

    #[tokio::test]
    async fn a_token_service_that_gives_none_is_named() {
        let big = || endless("HTTP/1.1 200 OK\r\n\r\n");
        let answers: [fn() -> Reply; 4] = [
            || reply(200, &[], b"{}"),
            || reply(200, &[], b"no JSON"),
            || reply(200, &[], b"{\"token\": \"a\\nb\"}"),
            big,
        ];
        for answer in answers {
            let error = refused(move |seen| {
                if seen.is("GET /token") {
                    return answer();
                }
                let challenge = format!("Bearer realm=\"http://{}/token\"", seen.host());
                reply(401, &[("WWW-Authenticate", &challenge)], b"")
            })
            .await;
            assert!(text(&error).contains("without a token"), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_of_it_reaches_where_a_redirect_leads() {
        let storage = Server::start(|_| reply(200, &[], COMPONENT)).await;
        let to = format!("http://{}/blob?key=s1gnature", storage.host());
        let with_password = wants("Basic realm=\"r\"", BASIC);
        let server = Server::start(move |seen| {
            match (seen.header("authorization"), seen.line.contains("/blobs/")) {
                (Some(_), true) => moved(&to),
                _ => with_password(seen),
            }
        })
        .await;
        let rule = Rule {
            also: vec![storage.host()],
            ..plain(server.host())
        };
        let pulled = pull(&client(rule), &reference(&server.host()), &alice()).await;
        assert_eq!(pulled.unwrap(), COMPONENT);
        let asked = storage.only("GET /blob?key=s1gnature ");
        assert_eq!(asked.header("authorization"), None);
    }

    #[tokio::test]
    async fn nor_does_it_come_back_by_a_detour() {
        let server_port = Arc::new(std::sync::OnceLock::new());
        let port = Arc::clone(&server_port);
        let storage = Server::start(move |_| {
            moved(&format!("http://127.0.0.1:{}/steal", port.get().unwrap()))
        })
        .await;
        let to = format!("http://{}/blob", storage.host());
        let with_password = wants("Basic realm=\"r\"", BASIC);
        let server = Server::start(move |seen| {
            match (seen.header("authorization"), seen.line.contains("/blobs/")) {
                (Some(_), true) => moved(&to),
                _ if seen.is("GET /steal") => reply(200, &[], COMPONENT),
                _ => with_password(seen),
            }
        })
        .await;
        server_port.set(server.port).unwrap();
        let rule = Rule {
            also: vec![storage.host()],
            ..plain(server.host())
        };
        let pulled = pull(&client(rule), &reference(&server.host()), &alice()).await;
        assert_eq!(pulled.unwrap(), COMPONENT);
        assert_eq!(server.only("GET /steal").header("authorization"), None);
    }

    #[tokio::test]
    async fn who_a_redirect_leads_to_gets_no_answer_to_its_challenge() {
        let storage = Server::start(|_| {
            reply(
                401,
                &[("WWW-Authenticate", "Basic realm=\"give it to me\"")],
                b"",
            )
        })
        .await;
        let to = format!("http://{}/blob", storage.host());
        let server = Server::start(blob(move |_| moved(&to))).await;
        let rule = Rule {
            also: vec![storage.host()],
            ..plain(server.host())
        };
        let error = pull(&client(rule), &reference(&server.host()), &alice())
            .await
            .unwrap_err();
        assert!(
            matches!(error.problem, Problem::Unauthorized { .. }),
            "{error}"
        );
        assert_eq!(storage.only("GET /blob").header("authorization"), None);
    }

    #[tokio::test]
    async fn an_upload_elsewhere_gets_the_content_and_no_password() {
        let storage = Server::start(|_| reply(201, &[], b"")).await;
        let location = format!("http://{}/upload?key=s1gnature", storage.host());
        let server = Server::start(move |seen| match seen {
            seen if seen.header("authorization") != Some(BASIC) => {
                reply(401, &[("WWW-Authenticate", "Basic realm=\"r\"")], b"")
            }
            seen if seen.is("HEAD") => Reply::Whole(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()),
            seen if seen.is("POST") => reply(202, &[("Location", &location)], b""),
            _ => reply(201, &[], b""),
        })
        .await;
        let rule = Rule {
            also: vec![storage.host()],
            ..plain(server.host())
        };
        let artifact = Artifact {
            wasm: COMPONENT.to_vec(),
            ..Artifact::default()
        };
        let pushed = client(rule)
            .push(&reference(&server.host()), &alice(), artifact)
            .await;
        pushed.unwrap();
        let uploads = storage.seen();
        assert_eq!(uploads.len(), 2);
        for upload in uploads {
            assert!(
                upload.is("PUT /upload?key=s1gnature&digest=sha256%3A"),
                "{upload:?}"
            );
            assert_eq!(upload.header("authorization"), None);
        }
        assert!(
            server
                .only("PUT /v2/team/phase/manifests/1")
                .header("authorization")
                .is_some()
        );
    }
}

mod content {
    use super::*;

    fn mismatch(error: &Error, what: &str) -> bool {
        matches!(&error.problem, Problem::DigestMismatch { what: found, .. } if *found == what)
    }

    #[tokio::test]
    async fn another_manifest_than_the_digest_names() {
        let server = Server::start(honest).await;
        let client = client(plain(server.host()));
        let right = Digest::of(manifest_text().as_bytes());
        let wrong = Digest::of(b"another");
        let reference = reference(&server.host());
        assert!(
            client
                .resolve(&reference.pinned(right), &nobody())
                .await
                .is_ok()
        );
        let error = client
            .resolve(&reference.pinned(wrong), &nobody())
            .await
            .unwrap_err();
        assert!(mismatch(&error, "manifest"), "{error}");
        let text = text(&error);
        assert!(
            text.contains(&right.to_string()) && text.contains(&wrong.to_string()),
            "{text}"
        );
    }

    #[tokio::test]
    async fn another_manifest_than_the_registry_says() {
        let answer = |digest: String| {
            refused(move |_| {
                let headers = [
                    ("Content-Type", MANIFEST_TYPE),
                    ("Docker-Content-Digest", &digest),
                ];
                reply(200, &headers, manifest_text().as_bytes())
            })
        };
        let error = answer(Digest::of(b"another").to_string()).await;
        assert!(mismatch(&error, "manifest"), "{error}");
        let error = answer("md5:12".to_owned()).await;
        assert!(
            matches!(error.problem, Problem::Misbehaves { .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn another_component_than_the_manifest_names() {
        let other = [&COMPONENT[..COMPONENT.len() - 1], b"!"].concat();
        let error = refused(blob(move |_| reply(200, &[], &other))).await;
        assert!(mismatch(&error, "component"), "{error}");
        let error = refused(blob(|_| reply(200, &[], &COMPONENT[1..]))).await;
        assert!(mismatch(&error, "component"), "{error}");
        let longer = [COMPONENT, b"!"].concat();
        let error = refused(blob(move |_| reply(200, &[], &longer))).await;
        assert!(mismatch(&error, "component"), "{error}");
    }

    #[tokio::test]
    async fn a_declared_size_above_the_limit_is_not_fetched() {
        let server = Server::start(honest).await;
        let client = client_up_to(COMPONENT.len() as u64 - 1, plain(server.host()));
        let reference = reference(&server.host());
        let error = client.resolve(&reference, &nobody()).await.unwrap_err();
        assert!(
            matches!(
                error.problem,
                Problem::TooLarge {
                    what: "component",
                    ..
                }
            ),
            "{error}"
        );
        let layer = Layer {
            digest: Digest::of(COMPONENT),
            size: COMPONENT.len() as u64,
            media_type: String::new(),
        };
        let error = client
            .fetch(&reference, &nobody(), &layer)
            .await
            .unwrap_err();
        assert!(matches!(error.problem, Problem::TooLarge { .. }), "{error}");
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn a_flood_ends_at_the_size_that_was_declared() {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
        ] {
            let sent = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&sent);
            let flood = blob(move |_| Reply::Endless(head.into(), Arc::clone(&counter)));
            let error = refused(flood).await;
            assert!(mismatch(&error, "component"), "{error}");
            assert!(text(&error).contains("found more"), "{error}");
            // The kernel's buffers take some.
            let sent = sent.load(Ordering::Relaxed);
            assert!(sent < 32 * 1024 * 1024, "{sent}");
        }
    }

    #[tokio::test]
    async fn a_manifest_is_no_flood() {
        let error = refused(|_| endless("HTTP/1.1 200 OK\r\n\r\n")).await;
        assert!(
            matches!(
                error.problem,
                Problem::TooLarge {
                    what: "manifest",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[tokio::test]
    async fn compressed_content_stays_so() {
        let server = Server::start(blob(|_| {
            reply(200, &[("Content-Encoding", "gzip")], COMPONENT)
        }))
        .await;
        let client = client(plain(server.host()));
        let pulled = pull(&client, &reference(&server.host()), &nobody()).await;
        assert_eq!(pulled.unwrap(), COMPONENT);
        let asked = server.only("GET /v2/team/phase/blobs/");
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
    }

    #[tokio::test]
    async fn what_is_no_manifest_of_a_component() {
        let none = r#"{"mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}"#;
        for (content, expected) in [
            ("\u{1}garbage\u{7}", "expected a manifest"),
            ("[[[[[[", "expected a manifest"),
            (none, "exactly one layer"),
        ] {
            let error = refused(move |_| manifest(content)).await;
            assert!(
                matches!(error.problem, Problem::NotAComponent { .. }),
                "{error}"
            );
            assert!(text(&error).contains(expected), "{error}");
        }
    }
}

mod answers {
    use super::*;

    #[tokio::test]
    async fn statuses_say_whether_to_come_back() {
        let error_of = |status| refused(move |_| reply(status, &[], b"<html>hunter2</html>"));
        for status in [408, 429, 500, 502, 503, 504] {
            let error = error_of(status).await;
            assert!(error.is_transient(), "{error}");
            assert!(text(&error).contains(&status.to_string()), "{error}");
        }
        for status in [400, 403, 404, 405, 418, 204] {
            let error = error_of(status).await;
            assert!(!error.is_transient(), "{error}");
        }
        assert!(matches!(
            error_of(404).await.problem,
            Problem::NotFound { .. }
        ));
        assert!(matches!(
            error_of(403).await.problem,
            Problem::Unauthorized { .. }
        ));
        assert!(matches!(
            error_of(400).await.problem,
            Problem::Misbehaves { .. }
        ));
    }

    #[tokio::test]
    async fn a_component_that_is_gone_is_named() {
        let error = refused(blob(|_| reply(404, &[], b""))).await;
        assert!(
            matches!(
                error.problem,
                Problem::NotFound {
                    what: "component",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_no_http_is_said_to_be_none() {
        let error = refused(|_| Reply::Whole(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec())).await;
        assert!(
            matches!(error.problem, Problem::Misbehaves { .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_connection_that_breaks_may_hold_the_next_time() {
        let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n\0asm";
        for content in [&b""[..], b"HTTP/1.1 200", cut] {
            let error = refused(blob(|_| Reply::Whole(content.to_vec()))).await;
            assert!(error.is_transient(), "{error}");
        }
    }

    #[tokio::test]
    async fn a_registry_that_is_down_may_come_up() {
        let server = Server::start(honest).await;
        let (client, reference) = (client(plain(server.host())), reference(&server.host()));
        drop(server);
        // The listener goes when its task does.
        loop {
            match pull(&client, &reference, &nobody()).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    assert!(error.is_transient(), "{error}");
                    break;
                }
            }
        }
    }

    const SHORT: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3600);

    /// What becomes of a component that does not come.
    async fn given_up(timeouts: Timeouts, script: fn(&Seen) -> Reply) -> String {
        let server = Server::start(script).await;
        let client = client(plain(server.host())).with_timeouts(timeouts);
        let layer = Layer {
            digest: Digest::of(COMPONENT),
            size: COMPONENT.len() as u64,
            media_type: String::new(),
        };
        let fetched = client
            .fetch(&reference(&server.host()), &nobody(), &layer)
            .await;
        let error = fetched.unwrap_err();
        assert!(error.is_transient(), "{error}");
        text(&error)
    }

    #[tokio::test]
    async fn silence_is_not_waited_for() {
        let timeouts = Timeouts {
            connect: NEVER,
            idle: SHORT,
            total: NEVER,
        };
        let scripts: [fn(&Seen) -> Reply; 3] = [
            |_| Reply::Hang(Vec::new()),
            |_| Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-".to_vec()),
            |_| Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n\0asm".to_vec()),
        ];
        for script in scripts {
            let text = given_up(timeouts, script).await;
            assert!(text.contains("sent nothing for 50ms"), "{text}");
        }
    }

    #[tokio::test]
    async fn nor_is_what_comes_too_slowly() {
        let timeouts = Timeouts {
            connect: NEVER,
            idle: NEVER,
            total: SHORT,
        };
        let text = given_up(timeouts, |_| Reply::Hang(b"HTTP/1.1 200 OK\r\n".to_vec())).await;
        assert!(text.contains("longer than 50ms"), "{text}");
    }

    #[tokio::test]
    async fn nor_is_a_handshake() {
        // It takes connections, and says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let rule = Rule {
            host: host.clone(),
            ..Rule::default()
        };
        let client = client(rule).with_timeouts(Timeouts {
            connect: SHORT,
            idle: NEVER,
            total: NEVER,
        });
        let error = pull(&client, &reference(&host), &nobody())
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(
            text(&error).contains("the TLS handshake took longer"),
            "{error}"
        );
    }
}

mod tls {
    use super::*;

    /// An authority, and a server's side of TLS for `name` that it vouches for.
    fn authority(name: &str) -> (String, TlsAcceptor) {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &Issuer::new(ca, ca_key))
            .unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        (ca_certificate.pem(), TlsAcceptor::from(Arc::new(config)))
    }

    fn rule(server: &Server, name: &str, ca: Option<&String>) -> Rule {
        Rule {
            host: server.named(name),
            ca: ca.cloned(),
            allow_private_addresses: true,
            ..Rule::default()
        }
    }

    async fn pulled(server: &Server, name: &str, rule: Rule) -> Result<Vec<u8>, Error> {
        let client =
            client(rule).with_resolver(names(&["r.example", "other.example", "cdn.example"]));
        pull(&client, &reference(&server.named(name)), &nobody()).await
    }

    #[tokio::test]
    async fn a_private_authority_is_trusted_where_it_is_named() {
        for name in ["r.example", "127.0.0.1"] {
            let (ca, tls) = authority(name);
            let (other, _) = authority(name);
            let server = Server::start_with(Some(tls), honest).await;
            let good = pulled(&server, name, rule(&server, name, Some(&ca))).await;
            assert_eq!(good.unwrap(), COMPONENT);
            let both = format!("{other}{ca}");
            assert!(
                pulled(&server, name, rule(&server, name, Some(&both)))
                    .await
                    .is_ok()
            );
            for ca in [None, Some(&other)] {
                let error = pulled(&server, name, rule(&server, name, ca))
                    .await
                    .unwrap_err();
                assert!(
                    matches!(error.problem, Problem::Untrusted { .. }),
                    "{error}"
                );
                let text = text(&error);
                assert!(
                    text.contains("plugins.registries") && text.contains("`ca`"),
                    "{text}"
                );
                assert!(!error.is_transient());
            }
        }
    }

    #[tokio::test]
    async fn a_certificate_of_another_name_is_refused() {
        let (ca, tls) = authority("r.example");
        let server = Server::start_with(Some(tls), honest).await;
        let name = "other.example";
        let error = pulled(&server, name, rule(&server, name, Some(&ca)))
            .await
            .unwrap_err();
        assert!(
            matches!(error.problem, Problem::Untrusted { .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_server_without_tls_is_not_spoken_to() {
        let server = Server::start(honest).await;
        let name = "r.example";
        let error = pulled(&server, name, rule(&server, name, None))
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(text(&error).contains("TLS"), "{error}");
        assert!(server.seen().is_empty());
    }

    #[tokio::test]
    async fn a_redirect_leaves_tls_in_no_case() {
        let storage = Server::start(|_| reply(200, &[], COMPONENT)).await;
        let (ca, tls) = authority("r.example");
        let to = format!("http://{}/blob", storage.named("cdn.example"));
        let server = Server::start_with(Some(tls), blob(move |_| moved(&to))).await;
        let rule = Rule {
            also: vec![storage.named("cdn.example")],
            ..rule(&server, "r.example", Some(&ca))
        };
        let error = pulled(&server, "r.example", rule).await.unwrap_err();
        assert!(
            matches!(
                error.problem,
                Problem::NotAllowed(Refusal::Downgrade { .. })
            ),
            "{error}"
        );
        assert!(storage.seen().is_empty());
    }

    #[tokio::test]
    async fn not_even_where_plain_http_is_allowed() {
        // From http to https, which is fine, and back.
        let (ca, tls) = authority("cdn.example");
        let plain_port = Arc::new(std::sync::OnceLock::new());
        let port = Arc::clone(&plain_port);
        let storage = Server::start_with(Some(tls), move |_| {
            moved(&format!("http://127.0.0.1:{}/blob", port.get().unwrap()))
        })
        .await;
        let to = format!("https://{}/blob", storage.named("cdn.example"));
        let server = Server::start(blob(move |_| moved(&to))).await;
        plain_port.set(server.port).unwrap();
        let rule = Rule {
            also: vec![storage.named("cdn.example")],
            plain_http: true,
            ..rule(&server, "127.0.0.1", Some(&ca))
        };
        let error = pulled(&server, "127.0.0.1", rule).await.unwrap_err();
        assert!(
            matches!(
                error.problem,
                Problem::NotAllowed(Refusal::Downgrade { .. })
            ),
            "{error}"
        );
        assert_eq!(storage.seen().len(), 1);
    }
}

/// An operator runs it on threads of its choice.
#[test]
fn calls_may_move_between_threads() {
    fn send<T: Send>(_: T) {}
    let client = client(plain("r.example".to_owned()));
    let reference = reference("r.example");
    let nobody = nobody();
    let layer = Layer {
        digest: Digest::of(b""),
        size: 0,
        media_type: String::new(),
    };
    send(client.resolve(&reference, &nobody));
    send(client.fetch(&reference, &nobody, &layer));
    send(client.push(&reference, &nobody, Artifact::default()));
}

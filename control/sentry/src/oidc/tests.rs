//! What discovery says, and to whom.

use std::time::{Duration, SystemTime};

use http_body_util::BodyExt as _;
use security::SpiffeId;
use serde_json::{Value, json};

use super::*;
use crate::authority::Current;
use crate::issuing::{Material, NewPair};
use crate::tokens::{Algorithm, TokenOptions, Tokens, generate};

fn authority() -> Authority {
    let sentry = SpiffeId::parse("spiffe://localhost/ns/default/dapr-sentry").unwrap();
    let life = Duration::from_secs(3600);
    let pair = NewPair { sentry: sentry.clone(), life, skew: Duration::ZERO }.generate(SystemTime::now()).unwrap();
    let material = Material { anchors: pair.root.as_bytes(), chain: pair.chain.as_bytes(), key: pair.key.as_bytes() };
    let options = TokenOptions { algorithm: Algorithm::EdDsa, key_id: None, issuer: None, life, skew: Duration::ZERO };
    let (key, key_set) = generate(&options).unwrap();
    let tokens = Tokens::new(key.as_bytes(), &key_set, &options).unwrap();
    Authority::new(Current::new(material.verify(&sentry).unwrap(), Some(tokens)))
}

fn oidc(change: impl FnOnce(&mut OidcOptions)) -> Oidc {
    let mut options = OidcOptions::default();
    change(&mut options);
    Oidc::new(&options, None, authority())
}

fn allowing(hosts: &[&str]) -> Oidc {
    oidc(|options| options.allowed_hosts = hosts.iter().map(|host| (*host).to_owned()).collect())
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

async fn ask(oidc: &Oidc, path: &str, headers: &[(&str, &str)]) -> (u16, Vec<u8>) {
    let answer = oidc.answer(&request(path, headers));
    let status = answer.status().as_u16();
    (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

async fn document(oidc: &Oidc, headers: &[(&str, &str)]) -> Value {
    let path = format!("{}{DISCOVERY}", oidc.prefix);
    let (status, text) = ask(oidc, &path, headers).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&text));
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn the_document_says_what_the_targets_says() {
    let document = document(&oidc(|_| {}), &[("host", "localhost:9080")]).await;
    let expected = json!({
        "issuer": "http://localhost:9080",
        "jwks_uri": "http://localhost:9080/jwks.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "scopes_supported": ["openid"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "use"],
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn public_keys_are_served_to_be_kept_for_an_hour() {
    let oidc = oidc(|_| {});
    let answer = oidc.answer(&request(KEY_SET, &[("host", "x")]));
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=3600");
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&text, oidc.authority.current().tokens.as_ref().unwrap().key_set());
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let oidc = oidc(|options| options.path_prefix = "/auth".to_owned());
    for path in
        ["/", "/jwks.json", DISCOVERY, "/auth", "/auth/", "/auth/authorize", "/auth/jwks.json/", "/authjwks.json"]
    {
        assert_eq!(ask(&oidc, path, &[("host", "x")]).await.0, 404, "{path}");
    }
    assert_eq!(ask(&oidc, "/auth/jwks.json", &[("host", "x")]).await.0, 200);
    assert_eq!(document(&oidc, &[("host", "x")]).await["jwks_uri"], "http://x/auth/jwks.json");
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        let mut request = request("/auth/jwks.json", &[("host", "x")]);
        *request.method_mut() = method;
        assert_eq!(oidc.answer(&request).status(), 405);
    }
}

#[tokio::test]
async fn a_forwarded_host_is_not_believed_without_a_list() {
    let forged = [("host", "localhost"), ("x-forwarded-host", "attacker.example.com")];
    for oidc in [allowing(&[]), allowing(&["*"]), allowing(&["example.com", "*"])] {
        let document = document(&oidc, &forged).await;
        assert_eq!(document["issuer"], "http://localhost");
        assert_eq!(document["jwks_uri"], "http://localhost/jwks.json");
    }
}

#[tokio::test]
async fn with_a_list_the_forwarded_host_counts_and_is_checked() {
    let oidc = allowing(&["localhost", "example.com"]);
    let named = [("host", "forbidden.com"), ("x-forwarded-host", "example.com")];
    assert_eq!(document(&oidc, &named).await["issuer"], "http://example.com");
    let answer = oidc.answer(&request(DISCOVERY, &named));
    assert_eq!(answer.headers()["vary"], "x-forwarded-host");
    for headers in [
        &[("host", "forbidden.com")][..],
        &[("host", "localhost"), ("x-forwarded-host", "forbidden.com")],
        &[("host", "localhost"), ("x-forwarded-host", "example.com, forbidden.com")],
        &[("host", "localhost"), ("x-forwarded-host", "example.com"), ("x-forwarded-host", "forbidden.com")],
        &[("host", "localhost.forbidden.com")],
        &[("host", "forbidden.com"), ("forwarded", "host=localhost")],
        &[],
    ] {
        assert_eq!(ask(&oidc, DISCOVERY, headers).await.0, 403, "{headers:?}");
        assert_eq!(ask(&oidc, KEY_SET, headers).await.0, 403, "{headers:?}");
    }
    for host in ["localhost", "localhost:8443", "LOCALHOST", "example.com:1"] {
        assert_eq!(ask(&oidc, KEY_SET, &[("host", host)]).await.0, 200, "{host}");
    }
    let six = allowing(&["::1"]);
    assert_eq!(ask(&six, KEY_SET, &[("host", "[::1]:9080")]).await.0, 200);
}

#[tokio::test]
async fn what_is_no_host_gets_no_document() {
    let oidc = oidc(|_| {});
    for host in ["user@attacker.example.com", "a b", "a/b", "", "a?b", "a\"b", ":80"] {
        assert_eq!(ask(&oidc, DISCOVERY, &[("host", host)]).await.0, 400, "{host}");
    }
    assert_eq!(ask(&oidc, DISCOVERY, &[("host", "a"), ("host", "b")]).await.0, 400);
}

#[tokio::test]
async fn chosen_issuers_and_addresses_are_said_as_they_are() {
    let mut oidc = oidc(|options| {
        options.path_prefix = "/auth".to_owned();
        options.tls = Some(("a".into(), "b".into()));
    });
    assert_eq!(document(&oidc, &[("host", "x")]).await["issuer"], "https://x");
    oidc.discovery.issuer = Some("https://issuer.example/base".to_owned());
    let said = document(&oidc, &[("host", "x")]).await;
    assert_eq!(said["issuer"], "https://issuer.example/base");
    assert_eq!(said["jwks_uri"], "https://issuer.example/auth/jwks.json");
    oidc.discovery.key_set_uri = Some("https://elsewhere.example/keys".to_owned());
    assert_eq!(document(&oidc, &[("host", "x")]).await["jwks_uri"], "https://elsewhere.example/keys");
    assert_eq!(document(&oidc, &[("host", "a b")]).await["issuer"], "https://issuer.example/base");
}

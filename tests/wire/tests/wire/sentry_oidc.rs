//! Discovery of sentry's tokens, and what nobody can make it say.

use std::time::Duration;

use serde_json::Value;
use testkit::{Answer, Asked, Call, Certificates, RawHttp1, Sentry, SentryBuilder};

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn serving() -> SentryBuilder {
    Sentry::new().flag("--jwt-enabled").flag("--oidc-enabled").flag("--oidc-server-tls-enabled=false")
}

async fn ask(sentry: &Sentry, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = Call::to(sentry.oidc_port(), method, path);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

#[tokio::test]
async fn tokens_can_be_verified_by_what_is_discovered() {
    let sentry = serving().start().await;
    let document = ask(&sentry, "GET", DISCOVERY, &[]).await;
    assert_eq!(document.values("content-type"), ["application/json"]);
    let document = document.json();
    let own = format!("http://127.0.0.1:{}", sentry.oidc_port());
    assert_eq!(document["issuer"], own.as_str());
    assert_eq!(document["jwks_uri"], format!("{own}/jwks.json"));
    assert_eq!(document["id_token_signing_alg_values_supported"][0], "RS256");
    let keys = ask(&sentry, "GET", "/jwks.json", &[]).await;
    assert_eq!(keys.text(), sentry.text("jwks.json"));
    let token = sentry.sign(&Asked::by("app")).await.unwrap().response.jwt.unwrap();
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&keys.body).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.set_audience(&["public"]);
    jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
}

#[tokio::test]
async fn a_header_does_not_poison_the_document() {
    for sentry in [serving().start().await, serving().flag("--oidc-allowed-hosts=*").start().await] {
        for (name, value) in [
            ("x-forwarded-host", "attacker.example.com"),
            ("x-forwarded-host", "attacker.example.com, localhost"),
            ("forwarded", "host=attacker.example.com"),
            ("x-host", "attacker.example.com"),
            ("x-forwarded-proto", "attacker"),
            ("x-forwarded-prefix", "/attacker"),
            ("x-original-url", "https://attacker.example.com/"),
        ] {
            let answer = ask(&sentry, "GET", DISCOVERY, &[(name, value)]).await;
            assert_eq!(answer.status, 200);
            assert!(!answer.everything().contains("attacker"), "{name}: {}", answer.everything());
            assert_eq!(answer.json()["issuer"], format!("http://127.0.0.1:{}", sentry.oidc_port()));
        }
    }
}

#[tokio::test]
async fn a_list_of_hosts_is_all_there_is() {
    let sentry = serving().flag("--oidc-allowed-hosts=issuer.example,127.0.0.1").start().await;
    let status = async |headers: &[(&str, &str)]| ask(&sentry, "GET", DISCOVERY, headers).await.status;
    assert_eq!(status(&[]).await, 200);
    assert_eq!(status(&[("host", "issuer.example:8443")]).await, 200);
    assert_eq!(status(&[("host", "attacker.example")]).await, 403);
    assert_eq!(status(&[("x-forwarded-host", "attacker.example")]).await, 403);
    assert_eq!(status(&[("x-forwarded-host", "issuer.example"), ("x-forwarded-host", "attacker.example")]).await, 403);
    let forwarded = ask(&sentry, "GET", DISCOVERY, &[("x-forwarded-host", "issuer.example")]).await;
    assert_eq!(forwarded.json()["issuer"], "http://issuer.example");
    assert_eq!(forwarded.values("vary"), ["x-forwarded-host"], "a cache must not give it to others");
    assert_eq!(ask(&sentry, "GET", "/jwks.json", &[("host", "attacker.example")]).await.status, 403);
}

#[tokio::test]
async fn hosts_that_are_none_are_refused() {
    let sentry = serving().start().await;
    for host in ["user@attacker.example", "a/b", "a b"] {
        let request = format!("GET {DISCOVERY} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = RawHttp1::exchange(sentry.oidc_port(), request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
    }
    let twice = format!("GET {DISCOVERY} HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n");
    let answer = RawHttp1::exchange(sentry.oidc_port(), twice).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn only_two_paths_are_served_and_only_read() {
    let sentry =
        serving().flag("--oidc-path-prefix=/auth/").flag("--oidc-jwks-uri=https://keys.example/k").start().await;
    assert_eq!(
        ask(&sentry, "GET", &format!("/auth{DISCOVERY}"), &[]).await.json()["jwks_uri"],
        "https://keys.example/k"
    );
    for path in ["/", "/jwks.json", DISCOVERY, "/auth", "/auth/authorize", "/auth/../jwks.json", "/auth//jwks.json"] {
        assert_eq!(ask(&sentry, "GET", path, &[]).await.status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
        assert_eq!(ask(&sentry, method, "/auth/jwks.json", &[]).await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn it_waits_for_the_files_of_its_certificate_and_follows_them() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("oidc.crt"), folder.path().join("oidc.key"));
    let sentry = Sentry::new()
        .flag("--jwt-enabled")
        .flag("--oidc-enabled")
        .flag(format!("--oidc-server-tls-cert-file={}", certificate.display()))
        .flag(format!("--oidc-server-tls-key-file={}", key.display()))
        .launch();
    sentry.logged("Waiting for TLS certificate and key files to be available").await;
    assert_eq!(sentry.healthz().await, Some(503));
    let mut shown = Vec::new();
    for _ in 0..2 {
        let (text, secret) = Certificates::new().issue();
        std::fs::write(&key, secret).unwrap();
        std::fs::write(&certificate, &text).unwrap();
        let expected = security::certificate::from_pem(text.as_bytes()).unwrap();
        let began = std::time::Instant::now();
        while handshake(sentry.oidc_port()).await != expected.first().map(|first| first.to_vec()) {
            assert!(began.elapsed() < Duration::from_secs(10), "the certificate is not shown");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        shown.push(text);
    }
    assert_ne!(shown[0], shown[1]);
    assert_eq!(sentry.healthz().await, Some(200));
}

/// The certificate that a server shows.
async fn handshake(port: u16) -> Option<Vec<u8>> {
    let config = security::tls::insecure(&[b"http/1.1"]).unwrap();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.ok()?;
    stream.get_ref().1.peer_certificates()?.first().map(|first| first.to_vec())
}

//! `bearer` against an OpenID Connect server on a real socket.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use testkit::{App, Sidecar, body_of, free_port, reply};

use super::{component, pipeline};

const AUDIENCE: &str = "me";

/// A key of an issuer.
struct Key {
    name: &'static str,
    secret: EncodingKey,
    public: Value,
}

struct JwkOf<'a>(&'a [u8]);

impl serde::Serialize for JwkOf<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = DecodingKey::from_ed_der(self.0);
        jsonwebtoken::jwk::Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA)).unwrap().serialize(serializer)
    }
}

impl Key {
    fn new(name: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut public = serde_json::to_value(JwkOf(pair.public_key_raw())).unwrap();
        public["kid"] = json!(name);
        Self { name, secret: EncodingKey::from_ed_der(pair.serialized_der()), public }
    }

    fn token(&self, issuer: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({ "iss": issuer, "aud": AUDIENCE, "exp": now() + 3600, "iat": now() });
        change(&mut claims);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.name.to_owned());
        encode(&header, &claims, &self.secret).unwrap()
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// An issuer whose keys can be replaced.
struct Provider {
    server: App,
    issuer: String,
    keys: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    async fn start(keys: &[&Key]) -> Self {
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}/realm");
        let keys = Arc::new(Mutex::new(keys.iter().map(|key| key.public.clone()).collect::<Vec<_>>()));
        let (discovered, published) = (issuer.clone(), Arc::clone(&keys));
        let answer = |value: Value| std::future::ready(Response::new(body_of(value.to_string())));
        let server = App::http()
            .route("/realm/.well-known/openid-configuration", move |_| {
                answer(json!({ "issuer": discovered, "jwks_uri": format!("{discovered}/keys") }))
            })
            .route("/realm/keys", move |_| answer(json!({ "keys": *published.lock().unwrap() })))
            .start_on(port)
            .await;
        Self { server, issuer, keys }
    }

    async fn guarded(&self, app: &App) -> Sidecar {
        Sidecar::named("a")
            .app(app)
            .configuration(&pipeline("appHttpPipeline", &[("login", "bearer")]))
            .resource(&component("login", "bearer", &[("issuer", &self.issuer), ("audience", AUDIENCE)]))
            .start()
            .await
    }
}

async fn status(sidecar: &Sidecar, token: &str) -> u16 {
    sidecar.invoke("a", "x").header("authorization", format!("Bearer {token}")).send().await.status
}

#[tokio::test]
async fn only_a_token_of_the_issuer_for_this_audience_and_this_time_passes() {
    let (key, foreign) = (Key::new("one"), Key::new("one"));
    let provider = Provider::start(&[&key]).await;
    let app = App::http().route("/x", reply("passed")).start().await;
    let a = provider.guarded(&app).await;
    let issuer = provider.issuer.as_str();
    assert_eq!(status(&a, &key.token(issuer, |_| {})).await, 200);
    assert_eq!(status(&a, &key.token(issuer, |claims| claims["aud"] = json!(["x", AUDIENCE]))).await, 200);
    assert_eq!(status(&a, &key.token(issuer, |claims| claims["exp"] = json!(now() - 60))).await, 200, "clocks differ");
    let unsigned = |alg: &str| {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({ "iss": issuer, "aud": AUDIENCE, "exp": now() + 3600 });
        format!("{}.{}.", part(json!({ "alg": alg, "kid": "one" })), part(claims))
    };
    // A public key as the secret of a symmetric signature.
    let confused = {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("one".to_owned());
        let secret = URL_SAFE_NO_PAD.decode(key.public["x"].as_str().unwrap()).unwrap();
        let claims = json!({ "iss": issuer, "aud": AUDIENCE, "exp": now() + 3600 });
        encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap()
    };
    for (why, token) in [
        ("expired", key.token(issuer, |claims| claims["exp"] = json!(now() - 400))),
        ("not yet valid", key.token(issuer, |claims| claims["nbf"] = json!(now() + 400))),
        ("audience", key.token(issuer, |claims| claims["aud"] = json!("you"))),
        ("no audience", key.token(issuer, |claims| claims["aud"] = Value::Null)),
        ("issuer", key.token("http://elsewhere", |_| {})),
        ("signature", foreign.token(issuer, |_| {})),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("no signature", unsigned("EdDSA")),
        ("confused", confused),
        ("nonsense", "nonsense-nonsense".to_owned()),
        ("empty", String::new()),
    ] {
        assert_eq!(status(&a, &token).await, 401, "{why}");
    }
    assert_eq!(a.invoke("a", "x").send().await.status, 401);
    let token = key.token(issuer, |_| {});
    let basic = a.invoke("a", "x").header("authorization", format!("Basic {token}"));
    assert_eq!(basic.send().await.status, 401);
    let twice = a.invoke("a", "x").header("authorization", format!("bearer {token}"));
    assert_eq!(twice.header("authorization", "Bearer x").send().await.status, 401);
    assert_eq!(app.requests("/x").len(), 3);
    let logs = a.logs().join("\n");
    assert!(!logs.contains(&token), "a token in the log");
}

#[tokio::test]
async fn keys_can_be_replaced_and_are_asked_for_seldom() {
    testkit::ours_only!("there new keys are not noticed for ten minutes");
    let (old, new) = (Key::new("old"), Key::new("new"));
    let provider = Provider::start(&[&old]).await;
    let app = App::http().route("/x", reply("passed")).start().await;
    let a = provider.guarded(&app).await;
    let issuer = provider.issuer.as_str();
    assert_eq!(status(&a, &old.token(issuer, |_| {})).await, 200);
    *provider.keys.lock().unwrap() = vec![new.public.clone()];
    // Right after the start no more is asked, whatever tokens name.
    for _ in 0..20 {
        assert_eq!(status(&a, &Key::new("unknown").token(issuer, |_| {})).await, 401);
    }
    assert_eq!(provider.server.requests("/realm/keys").len(), 1);
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(status(&a, &new.token(issuer, |_| {})).await, 200);
    assert_eq!(status(&a, &old.token(issuer, |_| {})).await, 401);
    assert_eq!(provider.server.requests("/realm/keys").len(), 2);
}

#[tokio::test]
async fn without_keys_the_sidecar_does_not_start() {
    let provider = Provider::start(&[]).await;
    let start = async |issuer: &str, keys: &str| {
        Sidecar::named("a")
            .configuration(&pipeline("httpPipeline", &[("login", "bearer")]))
            .resource(&component("login", "bearer", &[("issuer", issuer), ("audience", AUDIENCE), ("jwksURL", keys)]))
            .start_failing()
            .await
            .output
    };
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    assert!(start(&nowhere, "").await.contains("failed to retrieve OpenID Configuration document"));
    assert!(start(&provider.issuer, &format!("{nowhere}/keys")).await.contains("failed to fetch JWKS"));
    let other = format!("{}/", provider.issuer);
    assert!(start(&other, "").await.contains("doesn't match the one provided"));
}

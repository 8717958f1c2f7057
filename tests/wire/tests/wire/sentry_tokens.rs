//! Tokens: those that sentry asks for (SEC-05, SEC-09), and those that it issues.

use std::time::{Duration, SystemTime};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use testkit::{App, Asked, Certificates, Sentry, SentryBuilder, reply};
use tonic::Code;

const AUDIENCE: &str = "spiffe://localhost/ns/default/dapr-sentry";
const SUBJECT: &str = "spiffe://public/ns/default/app";

/// Whoever an operator lets speak for its workloads.
struct Issuer {
    name: &'static str,
    key: EncodingKey,
    public: Value,
}

impl Issuer {
    fn new(name: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let key = EncodingKey::from_ed_der(pair.serialized_der());
        let public = serde_json::to_value(JwkOf(pair.public_key_raw())).unwrap();
        Self { name, key, public }
    }

    fn key_set(&self) -> String {
        let mut key = self.public.clone();
        key["kid"] = json!(self.name);
        json!({ "keys": [key] }).to_string()
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({ "aud": [AUDIENCE], "sub": SUBJECT, "exp": at(3600), "iat": at(0) });
        change(&mut claims);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.name.to_owned());
        encode(&header, &claims, &self.key).unwrap()
    }
}

/// The public half of an Ed25519 key.
struct JwkOf<'a>(&'a [u8]);

impl serde::Serialize for JwkOf<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = DecodingKey::from_ed_der(self.0);
        jsonwebtoken::jwk::Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA)).unwrap().serialize(serializer)
    }
}

fn at(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

fn asked(token: &str) -> Asked {
    Asked::by("app").but(|request| {
        token.clone_into(&mut request.token);
        request.token_validator = 3;
    })
}

fn asking(source: &str) -> SentryBuilder {
    let source = serde_json::to_string(source).unwrap();
    Sentry::new().mtls(&format!("{{tokenValidators: [{{name: jwks, options: {{source: {source}}}}}]}}"))
}

async fn refused(sentry: &Sentry, token: &str, part: &str) {
    let status = sentry.sign(&asked(token)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{part}: {status:?}");
    assert!(status.message().contains(part), "{part}: {status:?}");
}

#[tokio::test]
async fn the_right_token_gets_the_identity_it_names_and_no_other() {
    let issuer = Issuer::new("mykey");
    let sentry = asking(&issuer.key_set()).start().await;
    sentry.sign(&asked(&issuer.token(|_| {}))).await.unwrap();
    for change in [
        |asked: &mut wire::sentry::SignCertificateRequest| asked.id = "admin".to_owned(),
        |asked: &mut wire::sentry::SignCertificateRequest| asked.namespace = "other".to_owned(),
        |asked: &mut wire::sentry::SignCertificateRequest| asked.trust_domain = "localhost".to_owned(),
    ] {
        let status = sentry.sign(&asked(&issuer.token(|_| {})).but(change)).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().contains("\"sub\" not satisfied"), "{status:?}");
    }
}

#[tokio::test]
async fn every_wrong_token_is_refused() {
    let (issuer, other) = (Issuer::new("mykey"), Issuer::new("mykey"));
    let sentry = asking(&issuer.key_set()).start().await;
    refused(&sentry, "", "does not contain a token").await;
    refused(&sentry, "nothing", "token validation failed").await;
    refused(&sentry, &issuer.token(|claims| claims["exp"] = json!(at(-3600))), "\"exp\" not satisfied").await;
    refused(&sentry, &issuer.token(|claims| claims["nbf"] = json!(at(3600))), "\"nbf\" not satisfied").await;
    refused(&sentry, &issuer.token(|claims| claims["aud"] = json!(["other"])), "\"aud\" not satisfied").await;
    refused(&sentry, &issuer.token(|claims| claims["sub"] = json!("other")), "\"sub\" not satisfied").await;
    refused(&sentry, &other.token(|_| {}), "could not verify message").await;
    let token = issuer.token(|_| {});
    let (signed, _) = token.rsplit_once('.').unwrap();
    refused(&sentry, &format!("{signed}."), "could not verify message").await;
    // {"alg":"none","kid":"mykey"}
    let claims = token.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwia2lkIjoibXlrZXkifQ.{claims}.");
    refused(&sentry, &unsigned, "could not verify message").await;
    assert!(sentry.sign(&asked(&token)).await.is_ok());
}

#[tokio::test]
async fn with_a_validator_nobody_gets_in_on_their_word() {
    let sentry = asking(&Issuer::new("mykey").key_set()).start().await;
    let status = sentry.sign(&Asked::by("app")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "a validator name must be specified in this environment");
    let status = sentry.sign(&Asked::by("app").but(|request| request.token_validator = 1)).await.unwrap_err();
    assert_eq!(status.message(), "the requested validator is not enabled");
}

#[tokio::test]
async fn keys_in_a_file_are_replaced_and_withdrawn() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, old.key_set()).unwrap();
    let sentry = asking(&file.display().to_string()).start().await;
    sentry.sign(&asked(&old.token(|_| {}))).await.unwrap();
    refused(&sentry, &new.token(|_| {}), "failed to find key").await;
    std::fs::write(&file, new.key_set()).unwrap();
    let began = std::time::Instant::now();
    while sentry.sign(&asked(&new.token(|_| {}))).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the new key is not taken up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    refused(&sentry, &old.token(|_| {}), "failed to find key").await;
}

#[tokio::test]
async fn keys_are_fetched_from_a_server_that_the_given_authority_vouches_for() {
    let issuer = Issuer::new("mykey");
    let certificates = Certificates::new();
    let server = App::https(&certificates).route("/keys", reply(issuer.key_set().leak())).start().await;
    let with = |authority: &str| {
        let source = format!("https://localhost:{}/keys", server.port());
        let authority = serde_json::to_string(authority).unwrap();
        Sentry::new().mtls(&format!(
            "{{tokenValidators: [{{name: jwks, options: {{source: {source:?}, caCertificate: {authority}}}}}]}}"
        ))
    };
    let sentry = with(&certificates.authority()).start().await;
    sentry.sign(&asked(&issuer.token(|_| {}))).await.unwrap();
    let distrusting = with(&Certificates::new().authority()).launch();
    distrusting.logged("failed to fetch JWKS").await;
    assert_eq!(distrusting.healthz().await, Some(503));
}

#[tokio::test]
async fn options_of_a_validator_that_mean_nothing_end_sentry() {
    let ended = asking("/nowhere/keys.json").start_failing().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.contains("not a URL, path to local file, or JSON value"), "{}", ended.output);
    let ended = Sentry::new().mtls("{tokenValidators: [{name: kubernetes}]}").start_failing().await;
    assert!(ended.output.contains("cannot be configured manually"), "{}", ended.output);
}

fn claims_of(token: &str, key_set: &str, audience: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let header = decode_header(token)?;
    let set: JwkSet = serde_json::from_str(key_set).unwrap();
    let key = set.find(header.kid.as_deref().unwrap()).expect("the token names a key of the set");
    let mut validation = Validation::new(header.alg);
    validation.validate_nbf = true;
    validation.set_audience(&[audience]);
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).map(|read| read.claims)
}

#[tokio::test]
async fn a_certificate_comes_with_tokens_for_each_audience() {
    let sentry = Sentry::new().flag("--jwt-enabled").flag("--jwt-issuer=https://issuer.example").start().await;
    let key_set = sentry.text("jwks.json");
    let asked = Asked::by("app").but(|request| {
        request.trust_domain = "cluster.local".to_owned();
        request.jwt_audiences = vec!["bank".to_owned(), "audit".to_owned(), "bank".to_owned()];
    });
    let answer = sentry.sign(&asked).await.unwrap().response;
    let all = answer.jwt.unwrap();
    for audience in ["cluster.local", "bank", "audit"] {
        let claims = claims_of(&all, &key_set, audience).unwrap();
        assert_eq!(claims["sub"], "spiffe://cluster.local/ns/default/app");
        assert_eq!(claims["iss"], "https://issuer.example");
        let own = claims_of(&answer.per_audience_jwts[audience], &key_set, audience).unwrap();
        assert_eq!(own["aud"], json!([audience]), "for nobody else");
        assert_ne!(own["jti"], claims["jti"]);
    }
    assert_eq!(answer.per_audience_jwts.len(), 3);
    assert!(claims_of(&all, &key_set, "other").is_err());
}

#[tokio::test]
async fn tokens_live_as_long_and_are_signed_as_told() {
    for (algorithm, expected) in [("ES256", Algorithm::ES256), ("EdDSA", Algorithm::EdDSA), ("PS384", Algorithm::PS384)]
    {
        let sentry = Sentry::new()
            .flag("--jwt-enabled")
            .flag("--jwt-ttl=2h")
            .flag(format!("--jwt-signing-algorithm={algorithm}"))
            .flag("--jwt-key-id=mine")
            .start()
            .await;
        let token = sentry.sign(&Asked::by("app")).await.unwrap().response.jwt.unwrap();
        let header = decode_header(&token).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (expected, Some("mine")));
        let claims = claims_of(&token, &sentry.text("jwks.json"), "public").unwrap();
        let (issued, until) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert_eq!(until - issued, 7200);
        assert!(claims.get("iss").is_none());
    }
}

#[tokio::test]
async fn too_many_audiences_are_refused() {
    let sentry = Sentry::new().flag("--jwt-enabled").start().await;
    let with = |count: usize| {
        Asked::by("app").but(|request| request.jwt_audiences = (0..count).map(|number| number.to_string()).collect())
    };
    assert!(sentry.sign(&with(64)).await.is_ok());
    assert_eq!(sentry.sign(&with(65)).await.unwrap_err().code(), Code::InvalidArgument);
    let long = Asked::by("app").but(|request| request.jwt_audiences = vec!["a".repeat(1025)]);
    assert_eq!(sentry.sign(&long).await.unwrap_err().code(), Code::InvalidArgument);
}

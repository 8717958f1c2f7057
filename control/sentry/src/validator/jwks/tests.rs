//! Tokens that are accepted, and every kind that is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use service::{Body, Health, Host, ServeOptions};

use super::*;
use crate::tokens::{Algorithm, TokenKey, TokenOptions, generate, key_set_of};

const AUDIENCE: &str = "spiffe://localhost/ns/default/dapr-sentry";
const SUBJECT: &str = "spiffe://public/ns/default/app";

/// A signer of identities as an operator has one.
struct Signer {
    key: TokenKey,
    algorithm: Algorithm,
    key_set: Vec<u8>,
}

impl Signer {
    fn new(algorithm: Algorithm, name: &str) -> Self {
        let options = TokenOptions {
            algorithm,
            key_id: Some(name.to_owned()),
            issuer: None,
            life: Duration::ZERO,
            skew: Duration::ZERO,
        };
        let (text, _) = generate(&options).unwrap();
        let key_set = key_set_of(text.as_bytes(), &options).unwrap();
        Self { key: TokenKey::parse(text.as_bytes(), algorithm).unwrap(), algorithm, key_set }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims();
        change(&mut claims);
        self.sign(&json!({ "alg": self.algorithm.as_str(), "kid": "mykey" }), &claims)
    }

    fn keys(&self) -> KeySet {
        KeySet::parse(&self.key_set).unwrap()
    }

    fn verdict(&self, token: &str) -> Result<(), String> {
        verify(token, &self.keys(), AUDIENCE, SUBJECT, SystemTime::now())
    }
}

fn at(seconds: i64) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    json!(i64::try_from(now).unwrap() + seconds)
}

fn claims() -> Value {
    json!({ "aud": [AUDIENCE], "sub": SUBJECT, "exp": at(3600), "iat": at(0) })
}

fn ours() -> Signer {
    Signer::new(Algorithm::EdDsa, "mykey")
}

#[test]
fn a_token_of_every_algorithm_is_accepted() {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Rs256, Rs512};
    for algorithm in [EdDsa, Es256, Es384, Rs256, Rs512, Ps256] {
        let signer = Signer::new(algorithm, "mykey");
        signer.verdict(&signer.token(|_| {})).unwrap();
        signer.verdict(&signer.token(|claims| claims["aud"] = json!(AUDIENCE))).unwrap();
    }
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let signer = ours();
    signer.verdict(&signer.token(|claims| claims["exp"] = at(-290))).unwrap();
    signer.verdict(&signer.token(|claims| claims["nbf"] = at(290))).unwrap();
    assert!(signer.verdict(&signer.token(|claims| claims["exp"] = at(-310))).is_err());
    assert!(signer.verdict(&signer.token(|claims| claims["nbf"] = at(310))).is_err());
}

#[test]
fn a_token_for_others_of_others_or_of_another_time_is_refused() {
    let signer = ours();
    let refused = |change: fn(&mut Value)| signer.verdict(&signer.token(change)).unwrap_err();
    assert!(refused(|claims| claims["aud"] = json!(["spiffe://localhost/ns/other/dapr-sentry"])).contains("\"aud\""));
    assert!(refused(|claims| claims["aud"] = json!([])).contains("\"aud\""));
    assert!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("aud"))).contains("\"aud\""));
    assert!(refused(|claims| claims["sub"] = json!("spiffe://public/ns/default/admin")).contains("\"sub\""));
    assert!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("sub"))).contains("\"sub\""));
    assert!(refused(|claims| claims["exp"] = at(-3600)).contains("\"exp\""));
    assert!(refused(|claims| claims["exp"] = json!("never")).contains("\"exp\""));
    assert!(refused(|claims| claims["nbf"] = at(3600)).contains("\"nbf\""));
    assert!(refused(|claims| claims["iat"] = at(3600)).contains("\"iat\""));
}

#[test]
fn a_token_that_nobody_signed_is_refused() {
    let signer = ours();
    let unsigned = |algorithm: &str| {
        let token = signer.sign(&json!({ "alg": algorithm, "kid": "mykey" }), &claims());
        token.rsplit_once('.').unwrap().0.to_owned() + "."
    };
    for algorithm in ["none", "None", "NONE", "nOnE", "", "EdDSA"] {
        let reason = signer.verdict(&unsigned(algorithm)).unwrap_err();
        assert!(reason.starts_with("could not verify message"), "{algorithm}: {reason}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let signer = Signer::new(Algorithm::Rs256, "mykey");
    let set: Value = serde_json::from_slice(&signer.key_set).unwrap();
    let secret = URL_SAFE_NO_PAD.decode(set["keys"][0]["n"].as_str().unwrap()).unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("mykey".to_owned());
    let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    assert!(signer.verdict(&token).unwrap_err().contains("is not that of the key"));
    let symmetric = json!({ "keys": [{ "kty": "oct", "kid": "mykey", "k": URL_SAFE_NO_PAD.encode(&secret) }] });
    assert!(!KeySet::parse(symmetric.to_string().as_bytes()).unwrap().has("mykey"));
}

#[test]
fn a_key_is_used_for_what_it_is_meant_for() {
    let signer = Signer::new(Algorithm::Rs512, "mykey");
    let mut set: Value = serde_json::from_slice(&signer.key_set).unwrap();
    set["keys"][0]["alg"] = json!("RS256");
    let keys = KeySet::parse(set.to_string().as_bytes()).unwrap();
    let token = signer.token(|_| {});
    assert!(verify(&token, &keys, AUDIENCE, SUBJECT, SystemTime::now()).is_err());
    set["keys"][0].as_object_mut().unwrap().remove("alg");
    let keys = KeySet::parse(set.to_string().as_bytes()).unwrap();
    verify(&token, &keys, AUDIENCE, SUBJECT, SystemTime::now()).unwrap();
    set["keys"][0]["use"] = json!("enc");
    assert!(!KeySet::parse(set.to_string().as_bytes()).unwrap().has("mykey"));
}

#[test]
fn a_token_of_another_key_is_refused() {
    let (signer, other) = (ours(), ours());
    assert!(signer.verdict(&other.token(|_| {})).unwrap_err().starts_with("could not verify message"));
    let unnamed = signer.sign(&json!({ "alg": "EdDSA" }), &claims());
    assert!(signer.verdict(&unnamed).unwrap_err().contains("no key ID"));
    let unknown = signer.sign(&json!({ "alg": "EdDSA", "kid": "other" }), &claims());
    assert!(signer.verdict(&unknown).unwrap_err().contains("failed to find key"));
}

proptest! {
    #[test]
    fn any_text_is_judged(token in "[A-Za-z0-9_.=-]{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let keys = KeySet::parse(&bytes).unwrap_or_default();
        prop_assert!(verify(&token, &keys, AUDIENCE, SUBJECT, SystemTime::now()).is_err());
    }

    #[test]
    fn a_changed_token_is_refused(at in 0_usize..400, to in "[A-Za-z0-9_-]") {
        let signer = ours();
        let token = signer.token(|_| {});
        let mut changed = token.clone().into_bytes();
        let at = at % changed.len();
        changed[at] = to.as_bytes()[0];
        let changed = String::from_utf8(changed).unwrap();
        // The last character of a part has bits that say nothing.
        let same_bytes = changed.split('.').zip(token.split('.')).all(|(one, other)| {
            URL_SAFE_NO_PAD.decode(one).ok() == URL_SAFE_NO_PAD.decode(other).ok()
        });
        prop_assert_eq!(signer.verdict(&changed).is_ok(), same_bytes && changed.matches('.').count() == 2);
    }
}

/// A server of keys whose answer can be changed.
struct Server {
    answer: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
    options: JwksOptions,
}

async fn server(answer: Option<&[u8]>, tasks: &Tasks) -> Server {
    let answer = Arc::new(Mutex::new(answer.map(<[u8]>::to_vec)));
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = service::listen::bind_tcp("a test", &Host::parse("127.0.0.1").unwrap(), 0).await.unwrap();
    let source = format!("http://{}/keys", listener.address());
    let (shown, counted) = (Arc::clone(&answer), Arc::clone(&asked));
    let service = hyper::service::service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let shown = shown.lock().unwrap().clone();
        async move {
            let mut response: Response<Body> = Response::new(service::body::full(shown.clone().unwrap_or_default()));
            if shown.is_none() {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let serving = service::serve(listener, service, ServeOptions::default(), Shutdown::new(), tasks.clone());
    tasks.spawn("keys", serving);
    let options = JwksOptions { source, min_refresh_interval: Duration::from_millis(300), ..JwksOptions::default() };
    Server { answer, asked, options }
}

fn request(token: &str) -> SignCertificateRequest {
    SignCertificateRequest {
        id: "app".to_owned(),
        namespace: "default".to_owned(),
        certificate_signing_request: "x".into(),
        token: token.to_owned(),
        ..SignCertificateRequest::default()
    }
}

async fn started(options: &JwksOptions, health: &Health, tasks: &Tasks) -> Result<Jwks, String> {
    let sentry = SpiffeId::parse(AUDIENCE).unwrap();
    Jwks::start(sentry, options, health.target("jwks"), Shutdown::new(), tasks).await
}

async fn until_ready(health: &Health) {
    while !health.is_ready() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn keys_of_a_url_are_replaced_and_withdrawn() {
    let (tasks, health) = (Tasks::new(), Health::new());
    let (old, new) = (ours(), Signer::new(Algorithm::EdDsa, "next"));
    let server = server(Some(&old.key_set), &tasks).await;
    let validator = started(&server.options, &health, &tasks).await.unwrap();
    until_ready(&health).await;
    let old_token = old.token(|_| {});
    let new_token = new.sign(&json!({ "alg": "EdDSA", "kid": "next" }), &claims());
    validator.validate(&request(&old_token)).await.unwrap();
    assert!(validator.validate(&request(&new_token)).await.is_err());
    *server.answer.lock().unwrap() = Some(new.key_set.clone());
    tokio::time::sleep(server.options.min_refresh_interval).await;
    validator.validate(&request(&new_token)).await.unwrap();
    assert!(validator.validate(&request(&old_token)).await.is_err(), "a withdrawn key counts no more");
}

#[tokio::test]
async fn unknown_keys_do_not_make_us_ask_more_often() {
    let (tasks, health) = (Tasks::new(), Health::new());
    let signer = ours();
    let mut server = server(Some(&signer.key_set), &tasks).await;
    server.options.min_refresh_interval = Duration::from_secs(600);
    let validator = started(&server.options, &health, &tasks).await.unwrap();
    until_ready(&health).await;
    for number in 0..50 {
        let token = signer.sign(&json!({ "alg": "EdDSA", "kid": number.to_string() }), &claims());
        assert!(validator.validate(&request(&token)).await.is_err());
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_last_keys_stay_while_the_server_is_away() {
    let (tasks, health) = (Tasks::new(), Health::new());
    let signer = ours();
    let server = server(Some(&signer.key_set), &tasks).await;
    let validator = started(&server.options, &health, &tasks).await.unwrap();
    until_ready(&health).await;
    *server.answer.lock().unwrap() = None;
    tokio::time::sleep(server.options.min_refresh_interval).await;
    validator.validate(&request(&signer.token(|_| {}))).await.unwrap();
    assert!(server.asked.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for_and_nobody_gets_in_meanwhile() {
    let (tasks, health) = (Tasks::new(), Health::new());
    let signer = ours();
    let server = server(None, &tasks).await;
    let validator = started(&server.options, &health, &tasks).await.unwrap();
    let token = signer.token(|_| {});
    let refusal = validator.validate(&request(&token)).await.unwrap_err();
    assert_eq!(refusal.to_string(), "jwks validator not ready");
    assert!(!health.is_ready());
    *server.answer.lock().unwrap() = Some(signer.key_set.clone());
    until_ready(&health).await;
    validator.validate(&request(&token)).await.unwrap();
}

#[tokio::test]
async fn a_file_is_followed_and_a_broken_one_changes_nothing() {
    let (tasks, health) = (Tasks::new(), Health::new());
    let (old, new) = (ours(), ours());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, &old.key_set).unwrap();
    let options = JwksOptions { source: file.to_str().unwrap().to_owned(), ..JwksOptions::default() };
    let validator = started(&options, &health, &tasks).await.unwrap();
    until_ready(&health).await;
    let old_token = old.token(|_| {});
    validator.validate(&request(&old_token)).await.unwrap();
    std::fs::write(&file, "broken").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    validator.validate(&request(&old_token)).await.unwrap();
    std::fs::write(&file, &new.key_set).unwrap();
    let new_token = new.token(|_| {});
    while validator.validate(&request(&new_token)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(validator.validate(&request(&old_token)).await.is_err());
}

#[tokio::test]
async fn keys_can_be_written_into_the_options() {
    let (tasks, health) = (Tasks::new(), Health::new());
    let signer = ours();
    let text = String::from_utf8(signer.key_set.clone()).unwrap();
    let unpadded = STANDARD.encode(&text).trim_end_matches('=').to_owned();
    for source in [format!("\n {text}\n"), STANDARD.encode(&text), unpadded] {
        let options = JwksOptions { source, ..JwksOptions::default() };
        let validator = started(&options, &health, &tasks).await.unwrap();
        validator.validate(&request(&signer.token(|_| {}))).await.unwrap();
    }
}

#[tokio::test]
async fn options_that_mean_nothing_are_refused() {
    let (tasks, health) = (Tasks::new(), Health::new());
    for (source, part) in [
        ("", "must not be empty"),
        ("/nowhere/at/all.json", "not a URL, path to local file, or JSON value"),
        ("https://user:secret@example.com/", "user name or password"),
    ] {
        let options = JwksOptions { source: source.to_owned(), ..JwksOptions::default() };
        let reason = started(&options, &health, &tasks).await.err().unwrap();
        assert!(reason.contains(part), "{reason}");
    }
    let source = "https://example.com/".to_owned();
    let options = JwksOptions { source, ca_certificate: Some("/nowhere".to_owned()), ..JwksOptions::default() };
    assert!(started(&options, &health, &tasks).await.err().unwrap().contains("failed to load CA certificate"));
}

#[tokio::test]
async fn a_request_without_a_token_is_refused() {
    let (tasks, health) = (Tasks::new(), Health::new());
    let source = String::from_utf8(ours().key_set).unwrap();
    let options = JwksOptions { source, ..JwksOptions::default() };
    let validator = started(&options, &health, &tasks).await.unwrap();
    let refusal = validator.validate(&request("")).await.unwrap_err();
    assert_eq!(refusal.to_string(), "the request does not contain a token");
}

//! Tokens as others read them, and key sets that do not belong to the key.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::*;

fn options(algorithm: Algorithm) -> TokenOptions {
    TokenOptions {
        algorithm,
        key_id: None,
        issuer: Some("https://sentry.example".to_owned()),
        life: Duration::from_secs(3600),
        skew: Duration::from_secs(900),
    }
}

fn made(options: &TokenOptions) -> Tokens {
    let (key, key_set) = generate(options).unwrap();
    Tokens::new(key.as_bytes(), &key_set, options).unwrap()
}

fn id() -> SpiffeId {
    SpiffeId::parse("spiffe://public/ns/default/app").unwrap()
}

fn reason(key: &[u8], key_set: &[u8], options: &TokenOptions) -> String {
    Tokens::new(key, key_set, options).unwrap_err().to_string()
}

#[test]
fn others_verify_a_token_with_the_key_set() {
    for algorithm in Algorithm::ALL {
        if algorithm == Algorithm::Es512 {
            continue;
        }
        let tokens = made(&options(algorithm));
        let token = tokens.issue(&id(), &["public", "other"], SystemTime::now()).unwrap();
        let header = decode_header(&token).unwrap();
        let set: JwkSet = serde_json::from_slice(tokens.key_set()).unwrap();
        let key = set.find(header.kid.as_deref().unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&["other"]);
        validation.set_issuer(&["https://sentry.example"]);
        let read = decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
        assert_eq!(read.claims["sub"], "spiffe://public/ns/default/app", "{algorithm}");
    }
}

#[test]
fn es512_verifies_too() {
    let tokens = made(&options(Algorithm::Es512));
    let token = tokens.issue(&id(), &["public"], SystemTime::now()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let set: Value = serde_json::from_slice(tokens.key_set()).unwrap();
    let number = |name: &str| URL_SAFE_NO_PAD.decode(set["keys"][0][name].as_str().unwrap()).unwrap();
    let point = [vec![4], number("x"), number("y")].concat();
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P521_SHA512_FIXED, point);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
}

#[test]
fn a_token_says_what_the_targets_says() {
    let tokens = made(&options(Algorithm::EdDsa));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let token = tokens.issue(&id(), &["public"], now).unwrap();
    let part = |at: usize| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({ "alg": "EdDSA", "kid": tokens.key_id(), "typ": "JWT" }));
    let mut claims = part(1);
    let unique = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(unique.as_str().unwrap().len(), 32);
    let expected = json!({
        "aud": ["public"], "exp": 2_000_003_600, "iat": 2_000_000_000, "iss": "https://sentry.example",
        "nbf": 1_999_999_100, "sub": "spiffe://public/ns/default/app", "use": "sig",
    });
    assert_eq!(claims, expected);
}

#[test]
fn the_thumbprint_is_that_of_the_target() {
    // Key and name as Dapr's sentry (commit d8450742) wrote them.
    let set: Value = serde_json::from_str(include_str!("../../testdata/target-jwks.json")).unwrap();
    let options = options(Algorithm::Rs256);
    let key = include_bytes!("../../testdata/target-jwt.key");
    assert_eq!(serde_json::from_slice::<Value>(&key_set_of(key, &options).unwrap()).unwrap(), set);
    let tokens = Tokens::new(key, include_bytes!("../../testdata/target-jwks.json"), &options).unwrap();
    assert_eq!(tokens.key_id(), set["keys"][0]["kid"]);
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let (key, key_set) = generate(&options(Algorithm::EdDsa)).unwrap();
    let reason = reason(key.as_bytes(), &key_set, &options(Algorithm::Es256));
    assert!(reason.starts_with("JWT signing key is incompatible with algorithm ES256"), "{reason}");
    assert_eq!(Algorithm::parse("none").unwrap_err(), "unsupported signature algorithm: none");
    assert!(Algorithm::parse("HS256").is_err());
}

#[test]
fn a_key_set_that_does_not_hold_the_key_is_refused() {
    let options = options(Algorithm::EdDsa);
    let (key, key_set) = generate(&options).unwrap();
    let (_, other) = generate(&options).unwrap();
    let refused = |set: &[u8]| reason(key.as_bytes(), set, &options);
    assert!(refused(&other).contains("doesn't contain a matching public key"));
    assert!(refused(b"").contains("failed to parse JWKS"));
    assert!(refused(b"[]").contains("failed to parse JWKS"));
    assert!(refused(br#"{"keys":[]}"#).contains("doesn't contain any keys"));
    let text = String::from_utf8(key_set).unwrap();
    assert!(
        refused(text.replace(r#""use":"sig""#, r#""use":"enc""#).as_bytes()).contains("doesn't contain a matching")
    );
    assert!(refused(text.replace("Ed25519", "X25519").as_bytes()).contains("doesn't contain a matching"));
}

#[test]
fn a_chosen_name_must_be_in_the_set_and_is_used() {
    let mut options = options(Algorithm::EdDsa);
    let (key, unnamed) = generate(&options).unwrap();
    options.key_id = Some("mine".to_owned());
    assert!(reason(key.as_bytes(), &unnamed, &options).contains(r#"user-provided key ID "mine""#));
    let key_set = key_set_of(key.as_bytes(), &options).unwrap();
    assert_eq!(Tokens::new(key.as_bytes(), &key_set, &options).unwrap().key_id(), "mine");
    let (_, other) = generate(&options).unwrap();
    assert!(reason(key.as_bytes(), &other, &options).contains("content doesn't match"));
    options.key_id = None;
    let found = Tokens::new(key.as_bytes(), &key_set, &options).unwrap();
    assert_eq!(found.key_id(), "mine", "tokens name the key as the set does");
}

#[test]
fn private_parts_of_a_key_set_are_not_served() {
    let options = options(Algorithm::EdDsa);
    let (key, key_set) = generate(&options).unwrap();
    let mut set: Value = serde_json::from_slice(&key_set).unwrap();
    set["keys"][0]["d"] = json!("c2VjcmV0");
    set["keys"].as_array_mut().unwrap().push(json!({ "kty": "oct", "kid": "x", "k": "c2VjcmV0" }));
    let tokens = Tokens::new(key.as_bytes(), set.to_string().as_bytes(), &options).unwrap();
    assert_eq!(tokens.key_set(), &key_set);
}

//! Judges one token. A pure function of the token, the keys, what is expected, and the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::keys::KeySet;

/// How far clocks may differ. From the target.
const SKEW: Duration = Duration::from_secs(5 * 60);
/// Bytes of a token that is looked at.
const LONGEST: usize = 64 << 10;

/// What a token has to say.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audience: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The key that a token names.
pub(super) fn key_name(token: &str) -> Option<String> {
    if token.len() > LONGEST || has_critical_fields(token) {
        return None;
    }
    decode_header(token).ok()?.kid
}

/// Whether the header names extensions that must be understood: we understand none (RFC 7515, section 4.1.11).
fn has_critical_fields(token: &str) -> bool {
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header = header.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    header.is_none_or(|header| header.get("crit").is_some())
}

/// Whether the issuer signed the token for this audience and this time.
pub(super) fn verify(token: &str, keys: &KeySet, expected: &Expected, now: SystemTime) -> bool {
    let Ok(header) = decode_header(token) else { return false };
    let Some(name) = header.kid else { return false };
    let mut validation = Validation::new(header.alg);
    // Claims are judged below, with a clock that can be given.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let signed = |key: &DecodingKey| decode::<Claims>(token, key, &validation).ok().map(|token| token.claims);
    let claims = keys.find(&name, header.alg).find_map(signed);
    claims.is_some_and(|claims| claims.hold(expected, now))
}

impl Claims {
    fn hold(&self, expected: &Expected, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let skew = SKEW.as_secs_f64();
        let audience = match &self.aud {
            Audience::One(one) => *one == expected.audience,
            Audience::Many(many) => many.contains(&expected.audience),
        };
        self.iss == expected.issuer
            && audience
            && self.exp.is_none_or(|exp| now < exp + skew)
            && self.nbf.is_none_or(|nbf| now >= nbf - skew)
            && self.iat.is_none_or(|iat| now >= iat - skew)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hold(change: Value) -> bool {
        let mut claims = json!({"iss": "https://i", "aud": ["x", "me"], "exp": 10_000.0});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let expected = Expected { issuer: "https://i".to_owned(), audience: "me".to_owned() };
        let claims = serde_json::from_value::<Claims>(claims);
        claims.is_ok_and(|claims| claims.hold(&expected, UNIX_EPOCH + Duration::from_secs(10_000)))
    }

    #[test]
    fn issuer_audience_and_times_are_held_against_what_is_expected() {
        assert!(hold(json!({})));
        assert!(hold(json!({"aud": "me"})));
        assert!(hold(json!({"exp": 9_701, "nbf": 10_299, "iat": 10_300})));
        for wrong in [
            json!({"iss": "https://i/"}),
            json!({"iss": null}),
            json!({"aud": "you"}),
            json!({"aud": null}),
            json!({"aud": []}),
            json!({"exp": 9_700}),
            json!({"exp": "10000"}),
            json!({"nbf": 10_301}),
            json!({"iat": 10_301}),
        ] {
            assert!(!hold(wrong.clone()), "{wrong}");
        }
    }

    #[test]
    fn tokens_without_a_key_name_without_a_signature_or_with_critical_fields_are_not_looked_at() {
        let token = |header: Value| format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header.to_string()));
        assert_eq!(key_name(&token(json!({"alg": "ES256", "kid": "a"}))).as_deref(), Some("a"));
        for header in [
            json!({"alg": "ES256"}),
            json!({"alg": "none", "kid": "a"}),
            json!({"alg": "ES256", "kid": "a", "crit": ["b64"], "b64": false}),
        ] {
            assert_eq!(key_name(&token(header.clone())), None, "{header}");
        }
        assert_eq!(key_name("nonsense"), None);
        assert_eq!(key_name(&"a".repeat(LONGEST + 1)), None);
    }
}

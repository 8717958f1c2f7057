//! Judges a token: signed by a key of the set, for us, of the one it names, and of today. Errors name the claim as the target's
//! library does.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::KeySet;

/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(5 * 60);
/// Bytes of a token; those of identity providers have a tenth.
const MAX_BYTES: usize = 64 << 10;

/// The name of the key that a token says it is signed with.
pub(super) fn key_name(token: &str) -> Option<String> {
    if token.len() > MAX_BYTES {
        return None;
    }
    decode_header(token).ok()?.kid
}

/// Judges a token that must be for this audience and of this subject.
///
/// # Errors
/// What is wrong with it.
pub fn verify(token: &str, keys: &KeySet, audience: &str, subject: &str, now: SystemTime) -> Result<(), String> {
    if token.len() > MAX_BYTES {
        return Err(format!("could not verify message: the token has more than {MAX_BYTES} bytes"));
    }
    let unverified = |reason: &dyn std::fmt::Display| {
        format!("could not verify message using any of the signatures or keys: {reason}")
    };
    let header = decode_header(token).map_err(|error| unverified(&error))?;
    let name = header.kid.ok_or_else(|| unverified(&"no key ID (\"kid\") specified in token"))?;
    let (key, algorithms) =
        keys.find(&name).ok_or_else(|| unverified(&format!("failed to find key with key ID {name:?} in key set")))?;
    if !algorithms.contains(&header.alg) {
        return Err(unverified(&format!("the algorithm {:?} is not that of the key", header.alg)));
    }
    let claims = signed_claims(token, key, header.alg).map_err(|error| unverified(&error))?;
    judge(&claims, audience, subject, now)
}

/// The claims, once the signature is verified. The claims themselves are judged below: the library knows fewer of them.
fn signed_claims(
    token: &str,
    key: &DecodingKey,
    algorithm: jsonwebtoken::Algorithm,
) -> Result<Value, jsonwebtoken::errors::Error> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode(token, key, &validation).map(|read| read.claims)
}

fn judge(claims: &Value, audience: &str, subject: &str, now: SystemTime) -> Result<(), String> {
    let not_satisfied = |claim: &str| format!("\"{claim}\" not satisfied");
    let (earliest, latest) = (now.checked_sub(SKEW).unwrap_or(SystemTime::UNIX_EPOCH), now + SKEW);
    // Each is optional, as in the target; a value that is no number is not.
    let moment = |claim: &str| match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => seconds(value).map(Some).ok_or_else(|| not_satisfied(claim)),
    };
    if moment("iat")?.is_some_and(|issued| issued > latest) {
        return Err(not_satisfied("iat"));
    }
    if moment("exp")?.is_some_and(|end| end <= earliest) {
        return Err(not_satisfied("exp"));
    }
    if moment("nbf")?.is_some_and(|begin| begin > latest) {
        return Err(not_satisfied("nbf"));
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if !is_for_us {
        return Err(not_satisfied("aud"));
    }
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(format!("{}: values do not match", not_satisfied("sub")));
    }
    Ok(())
}

/// A NumericDate (RFC 7519 2), to the second.
fn seconds(value: &Value) -> Option<SystemTime> {
    let seconds = value.as_u64().or_else(|| {
        let fraction = value.as_f64().filter(|number| (0.0..1e12).contains(number))?;
        Some(Duration::from_secs_f64(fraction).as_secs())
    })?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

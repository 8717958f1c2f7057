//! The set of public keys that belongs to a signing key: found in a file, made when there is none, and shown without what
//! must stay private.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::key::TokenKey;

/// Members that hold private or symmetric keys (RFC 7518 6).
const SECRETS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What was found in a key set.
pub(super) struct Found {
    /// What it calls the signing key.
    pub(super) key_id: Option<String>,
    /// The set without secrets, JSON.
    pub(super) public: Vec<u8>,
    /// Whether there were any.
    pub(super) had_secrets: bool,
}

/// Looks for a key in a set. With `key_id` it must be there under that name.
pub(super) fn find(text: &[u8], key: &TokenKey, key_id: Option<&str>) -> Result<Found, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("failed to parse JWKS: {error}"))?;
    let keys = keys_of(set)?;
    let wanted = key.public();
    let named: Vec<_> = keys.iter().filter(|one| key_id.is_none() || name(one) == key_id).collect();
    if let (Some(key_id), true) = (key_id, named.is_empty()) {
        return Err(format!("JWKS doesn't contain a key with user-provided key ID {key_id:?}"));
    }
    let Some(own) = named.iter().find(|one| is_same(one, &wanted)) else {
        return Err(match key_id {
            Some(key_id) => format!(
                "JWKS contains a key with user-provided key ID {key_id:?} but the key content doesn't match the signing key"
            ),
            None => "JWKS doesn't contain a matching public key for the JWT signing key".to_owned(),
        });
    };
    let key_id = name(own).map(str::to_owned);
    let had_secrets = keys.iter().any(|one| SECRETS.iter().any(|secret| one.contains_key(*secret)));
    let public: Vec<_> = keys.into_iter().filter(|one| kind(one) != Some("oct")).map(without_secrets).collect();
    let public = serde_json::to_vec(&json!({ "keys": public })).map_err(|error| error.to_string())?;
    Ok(Found { key_id, public, had_secrets })
}

/// The set of one key.
pub(super) fn of(key: &TokenKey, key_id: Option<&str>) -> Vec<u8> {
    let mut members = key.public();
    members.insert("alg".to_owned(), json!(key.algorithm().as_str()));
    members.insert("kid".to_owned(), json!(key_id.map_or_else(|| key.thumbprint(), str::to_owned)));
    members.insert("use".to_owned(), json!("sig"));
    serde_json::to_vec(&json!({ "keys": [members] })).unwrap_or_default()
}

fn keys_of(set: Value) -> Result<Vec<Map<String, Value>>, String> {
    let malformed = || "failed to parse JWKS: expected an object with a list \"keys\"".to_owned();
    let Value::Object(mut set) = set else { return Err(malformed()) };
    let keys = match set.remove("keys") {
        Some(Value::Array(keys)) => keys,
        Some(_) => return Err(malformed()),
        // A single key instead of a set is taken too.
        None if set.contains_key("kty") => vec![Value::Object(set)],
        None => return Err(malformed()),
    };
    if keys.is_empty() {
        return Err("JWKS doesn't contain any keys".to_owned());
    }
    let objects = keys.into_iter().map(|key| if let Value::Object(key) = key { Ok(key) } else { Err(malformed()) });
    objects.collect()
}

fn name(key: &Map<String, Value>) -> Option<&str> {
    key.get("kid").and_then(Value::as_str)
}

fn kind(key: &Map<String, Value>) -> Option<&str> {
    key.get("kty").and_then(Value::as_str)
}

/// Whether a key of the set is the one wanted, and meant for signatures. Numbers can be written with zeros before them.
fn is_same(key: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    let for_signatures = key.get("use").and_then(Value::as_str).is_none_or(|usage| usage == "sig");
    let number = |value: &Value| {
        let bytes = URL_SAFE_NO_PAD.decode(value.as_str()?.trim_end_matches('=')).ok()?;
        Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
    };
    for_signatures
        && wanted.iter().all(|(member, value)| match (member.as_str(), key.get(member)) {
            ("kty" | "crv", Some(own)) => own == value,
            (_, Some(own)) => number(own).is_some() && number(own) == number(value),
            (_, None) => false,
        })
}

fn without_secrets(mut key: Map<String, Value>) -> Map<String, Value> {
    key.retain(|member, _| !SECRETS.contains(&member.as_str()));
    key
}

//! JSON Web Keys and sets of them (RFC 7517, 7518, 8037). Called by `key_text` and by the provider of key sets.

use std::collections::BTreeMap;

use aws_lc_rs::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::Fault;
use crate::key::{Curve, EcKey, Ed25519Key, Key, Material, Purpose, RsaKey};
use crate::key_text::{Unreadable, lenient};

type Bytes = Zeroizing<Vec<u8>>;

/// Reads one key.
pub(crate) fn read(content: &[u8]) -> Result<Key, Unreadable> {
    // The parser's own message could quote the key.
    let value: Map<String, Value> =
        serde_json::from_slice(content).map_err(|_| Unreadable::new("the key is not a JSON object"))?;
    read_object(&value)
}

/// Reads a set of keys, or one key as a set of its own.
pub(crate) fn read_set(content: &[u8]) -> Result<Vec<Key>, Unreadable> {
    let value: Map<String, Value> =
        serde_json::from_slice(content).map_err(|_| Unreadable::new("the key set is not a JSON object"))?;
    let Some(keys) = value.get("keys") else { return Ok(vec![read_object(&value)?]) };
    let keys = keys.as_array().ok_or_else(|| Unreadable::new("keys of the key set is not a list"))?;
    let read = |(number, key): (usize, &Value)| {
        let key = key.as_object().ok_or_else(|| Unreadable::new("it is not a JSON object")).and_then(read_object);
        key.map_err(|error| Unreadable::new(format!("key {number} of the key set cannot be read: {error}")))
    };
    keys.iter().enumerate().map(read).collect()
}

fn read_object(object: &Map<String, Value>) -> Result<Key, Unreadable> {
    let material = match text(object, "kty")?.unwrap_or("") {
        "oct" => symmetric(object)?,
        "RSA" => Material::Rsa(rsa(object)?),
        "EC" => ec(object)?,
        "OKP" => okp(object)?,
        other => return Err(Unreadable::new(format!("invalid key type {other:?}"))),
    };
    Ok(Key { material, purpose: purpose(object)? })
}

fn purpose(object: &Map<String, Value>) -> Result<Purpose, Unreadable> {
    let operations = match object.get("key_ops") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(|| Unreadable::new("key_ops has an entry that is no text"))?
        }
        Some(_) => return Err(Unreadable::new("key_ops is not a list")),
    };
    let named = |name| text(object, name).map(|text| text.filter(|text| !text.is_empty()).map(str::to_owned));
    Ok(Purpose { id: named("kid")?, algorithm: named("alg")?, usage: named("use")?, operations })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Unreadable> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unreadable::new(format!("{name} is not a text"))),
    }
}

/// A member in base64, in any of its spellings.
fn bytes(object: &Map<String, Value>, name: &str) -> Result<Option<Bytes>, Unreadable> {
    let Some(text) = text(object, name)? else { return Ok(None) };
    let plain = Zeroizing::new(text.trim_end_matches('=').replace('-', "+").replace('_', "/"));
    let decoded = lenient(plain.as_bytes(), &STANDARD);
    decoded.map(Some).ok_or_else(|| Unreadable::new(format!("{name} is not base64")))
}

fn needed(object: &Map<String, Value>, name: &str) -> Result<Bytes, Unreadable> {
    let found = bytes(object, name)?.filter(|bytes| !bytes.is_empty());
    found.ok_or_else(|| Unreadable::new(format!("{name} is missing")))
}

fn symmetric(object: &Map<String, Value>) -> Result<Material, Unreadable> {
    needed(object, "k").map(Material::Symmetric)
}

fn number(object: &Map<String, Value>, name: &str) -> Result<Bytes, Unreadable> {
    let mut bytes = needed(object, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}

fn rsa(object: &Map<String, Value>) -> Result<RsaKey, Unreadable> {
    let (modulus, exponent) = (number(object, "n")?.to_vec(), number(object, "e")?.to_vec());
    let private = match bytes(object, "d")? {
        None => None,
        Some(_) => {
            let components = KeyPairComponents::<&[u8], Bytes> {
                public_key: PublicKeyComponents { n: &modulus, e: &exponent },
                d: number(object, "d")?,
                p: number(object, "p")?,
                q: number(object, "q")?,
                dP: number(object, "dp")?,
                dQ: number(object, "dq")?,
                qInv: number(object, "qi")?,
            };
            let pair = KeyPair::from_components(&components);
            Some(pair.map_err(|error| Unreadable::new(format!("unusable RSA key: {error}")))?)
        }
    };
    Ok(RsaKey { modulus, exponent, private })
}

fn ec(object: &Map<String, Value>) -> Result<Material, Unreadable> {
    let name = text(object, "crv")?.unwrap_or("");
    let Some(curve) = Curve::ALL.into_iter().find(|curve| curve.name() == name) else {
        return Ok(Material::Unusable(format!("EC {name}")));
    };
    let mut point = vec![4];
    point.extend_from_slice(&coordinate(object, "x", curve)?);
    point.extend_from_slice(&coordinate(object, "y", curve)?);
    let private = match bytes(object, "d")? {
        None => None,
        Some(_) => {
            let scalar = coordinate(object, "d", curve)?;
            let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), &scalar, &point);
            Some(pair.map_err(|error| Unreadable::new(format!("unusable EC key: {error}")))?)
        }
    };
    Ok(Material::Ec(EcKey { curve, point, private }))
}

/// A number of exactly the curve's size.
fn coordinate(object: &Map<String, Value>, name: &str, curve: Curve) -> Result<Bytes, Unreadable> {
    let number = number(object, name)?;
    let missing =
        curve.size().checked_sub(number.len()).ok_or_else(|| Unreadable::new(format!("{name} is too long")))?;
    let mut padded = Zeroizing::new(vec![0; missing]);
    padded.extend_from_slice(&number);
    Ok(padded)
}

fn okp(object: &Map<String, Value>) -> Result<Material, Unreadable> {
    let name = text(object, "crv")?.unwrap_or("");
    if name != "Ed25519" {
        return Ok(Material::Unusable(format!("OKP {name}")));
    }
    let public = needed(object, "x")?;
    let Some(seed) = bytes(object, "d")? else {
        let key = Ed25519Key::public(&public).ok_or_else(|| Unreadable::new("unusable Ed25519 key"))?;
        return Ok(Material::Ed25519(key));
    };
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public)
        .map_err(|error| Unreadable::new(format!("unusable Ed25519 key: {error}")))?;
    Ok(Material::Ed25519(Ed25519Key { public: public.to_vec(), private: Some(pair) }))
}

/// The public part of an asymmetric key, its members in order.
pub(crate) fn write_public(key: &Key) -> Result<String, Fault> {
    let text = |text: &str| Value::String(text.to_owned());
    let base64 = |bytes: &[u8]| Value::String(URL_SAFE_NO_PAD.encode(bytes));
    let mut members: BTreeMap<&str, Value> = BTreeMap::new();
    match &key.material {
        Material::Rsa(key) => {
            members.extend([("kty", text("RSA")), ("n", base64(&key.modulus)), ("e", base64(&key.exponent))]);
        }
        Material::Ec(key) => {
            let (x, y) = key.point.get(1..).unwrap_or_default().split_at(key.curve.size().min(key.point.len() / 2));
            members.extend([("kty", text("EC")), ("crv", text(key.curve.name())), ("x", base64(x)), ("y", base64(y))]);
        }
        Material::Ed25519(key) => {
            members.extend([("kty", text("OKP")), ("crv", text("Ed25519")), ("x", base64(&key.public))]);
        }
        Material::Symmetric(_) | Material::Unusable(_) => return Err(Fault::KeyTypeMismatch),
    }
    let Purpose { id, algorithm, usage, operations } = &key.purpose;
    for (name, value) in [("kid", id), ("alg", algorithm), ("use", usage)] {
        if let Some(value) = value {
            members.insert(name, text(value));
        }
    }
    if !operations.is_empty() {
        members.insert("key_ops", operations.iter().map(|operation| text(operation)).collect());
    }
    serde_json::to_string(&members).map_err(|_| Fault::Failed)
}

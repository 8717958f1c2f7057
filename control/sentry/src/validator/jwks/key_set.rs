//! The public keys that tokens may be signed with. Symmetric keys are not among them: a key that verifies could sign.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// Some keys by name.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    name: String,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a JSON web key set, or a single key (RFC 7517). Keys that can verify no token are left out: those without a name,
    /// for another use, symmetric, or of an unknown kind.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let set: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let keys = match &set {
            Value::Object(members) => match members.get("keys") {
                Some(Value::Array(keys)) => keys.as_slice(),
                None if members.contains_key("kty") => std::slice::from_ref(&set),
                _ => return Err("expected an object with a list \"keys\"".to_owned()),
            },
            _ => return Err("expected an object with a list \"keys\"".to_owned()),
        };
        Ok(Self { keys: keys.iter().filter_map(|key| Key::of(key.clone())).collect() })
    }

    /// Whether a key has this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// The key of this name, and the algorithms it is for.
    pub(super) fn find(&self, name: &str) -> Option<(&DecodingKey, &[Algorithm])> {
        let found = self.keys.iter().find(|key| key.name == name)?;
        Some((&found.key, &found.algorithms))
    }
}

impl Key {
    fn of(key: Value) -> Option<Self> {
        let key: Jwk = serde_json::from_value(key).ok()?;
        if key.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let fitting = match &key.algorithm {
            AlgorithmParameters::RSA(_) => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                EllipticCurve::P256 => &[Algorithm::ES256][..],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(curve) if curve.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            _ => return None,
        };
        let named = |algorithm: &&Algorithm| {
            key.common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(**algorithm))
        };
        let algorithms: Vec<_> = fitting.iter().filter(named).copied().collect();
        let decoding = DecodingKey::from_jwk(&key).ok()?;
        let name = key.common.key_id?;
        (!algorithms.is_empty()).then_some(Self { name, algorithms, key: decoding })
    }
}

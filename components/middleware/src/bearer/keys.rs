//! The public keys of an issuer. Symmetric keys are not among them: a key that verifies could sign.

use component::{Error, ErrorKind};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Keys that are read of one set.
const MOST: usize = 256;

/// Some keys by name.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    name: String,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JSON web key set (RFC 7517). Keys that can verify no token are left out: those without a name, for another
    /// use, symmetric, or of an unknown kind.
    ///
    /// # Errors
    /// When the text is none.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Error> {
        let set: Document = serde_json::from_slice(text)
            .map_err(|error| Error::new(ErrorKind::InvalidArgument, format!("the answer is no key set: {error}")))?;
        Ok(Self { keys: set.keys.into_iter().take(MOST).filter_map(Key::of).collect() })
    }

    /// Whether a key has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// The keys of this name that are for an algorithm.
    pub(super) fn find(&self, name: &str, algorithm: Algorithm) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&Key| key.name == name && key.algorithms.contains(&algorithm);
        self.keys.iter().filter(fits).map(|key| &key.key)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symmetric_keys_and_keys_for_encryption_are_left_out() {
        let set = KeySet::parse(
            br#"{"keys":[
                {"kty":"oct","kid":"shared","alg":"HS256","k":"c2VjcmV0"},
                {"kty":"OKP","crv":"Ed25519","kid":"other","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
                {"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
                {"kty":"strange"}, 7
            ]}"#,
        )
        .unwrap();
        assert!(set.has("good") && !set.has("shared") && !set.has("other"));
        assert_eq!(set.find("good", Algorithm::EdDSA).count(), 1);
        assert_eq!(set.find("good", Algorithm::HS256).count(), 0);
        assert!(KeySet::parse(b"[]").is_err());
    }
}

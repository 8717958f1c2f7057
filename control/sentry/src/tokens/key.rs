//! The key that tokens are signed with, and its public half as a JSON web key (RFC 7517).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use security::certificate;
use serde_json::{Map, Value, json};

use crate::der;
use crate::issuing::Unverified;

/// How tokens are signed (RFC 7518 3.1 and RFC 8037 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standards")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    pub(super) const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Reads a name.
    ///
    /// # Errors
    /// The target's sentence for another one.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        found.ok_or_else(|| match name {
            "" => "JWT signing algorithm required".to_owned(),
            other => format!("unsupported signature algorithm: {other}"),
        })
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Rs256 => Kind::Rsa(&RSA_PKCS1_SHA256),
            Self::Rs384 => Kind::Rsa(&RSA_PKCS1_SHA384),
            Self::Rs512 => Kind::Rsa(&RSA_PKCS1_SHA512),
            Self::Ps256 => Kind::Rsa(&RSA_PSS_SHA256),
            Self::Ps384 => Kind::Rsa(&RSA_PSS_SHA384),
            Self::Ps512 => Kind::Rsa(&RSA_PSS_SHA512),
            Self::Es256 => Kind::Curve("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            Self::Es384 => Kind::Curve("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            Self::Es512 => Kind::Curve("P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
            Self::EdDsa => Kind::Ed25519,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What an algorithm asks of a key.
enum Kind {
    Rsa(&'static dyn RsaEncoding),
    Curve(&'static str, &'static EcdsaSigningAlgorithm),
    Ed25519,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Curve(EcdsaKeyPair, &'static str),
    Ed25519(Ed25519KeyPair),
}

/// A private key, ready for one algorithm.
pub struct TokenKey {
    pair: Pair,
    algorithm: Algorithm,
}

impl TokenKey {
    /// Reads a key: PKCS#8, PKCS#1 or SEC1, PEM.
    ///
    /// # Errors
    /// [`Unverified`] when it cannot be read, or is of another kind than the algorithm needs.
    pub fn parse(pem: &[u8], algorithm: Algorithm) -> Result<Self, Unverified> {
        let failed = |reason: &str| Unverified(format!("failed to load JWT signing key: {reason}"));
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| failed("key is not PEM encoded"))?;
        let der = key.secret_der();
        let pair = match algorithm.kind() {
            Kind::Rsa(encoding) => match &key {
                PrivateKeyDer::Pkcs8(_) => RsaKeyPair::from_pkcs8(der),
                _ => RsaKeyPair::from_der(der),
            }
            .map(|pair| Pair::Rsa(pair, encoding))
            .map_err(|_| "an RSA key"),
            Kind::Curve(name, signing) => {
                EcdsaKeyPair::from_private_key_der(signing, der).map(|pair| Pair::Curve(pair, name)).map_err(|_| name)
            }
            Kind::Ed25519 => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519).map_err(|_| "an Ed25519 key")
            }
        };
        let incompatible = |wanted: &str| {
            Unverified(format!(
                "JWT signing key is incompatible with algorithm {algorithm}: it requires {wanted}, and the key is another one"
            ))
        };
        Ok(Self { pair: pair.map_err(incompatible)?, algorithm })
    }

    /// Makes a key, and its text.
    pub(super) fn generate(algorithm: Algorithm) -> Result<(Self, String), Unverified> {
        let kind = match algorithm.kind() {
            Kind::Rsa(_) => &PKCS_RSA_SHA256,
            Kind::Curve("P-384", _) => &PKCS_ECDSA_P384_SHA384,
            Kind::Curve("P-521", _) => &PKCS_ECDSA_P521_SHA512,
            Kind::Curve(..) => &PKCS_ECDSA_P256_SHA256,
            Kind::Ed25519 => &PKCS_ED25519,
        };
        let made = KeyPair::generate_for(kind);
        let made = made.map_err(|error| Unverified(format!("failed to generate key for JWT signing: {error}")))?;
        let text = certificate::block("PRIVATE KEY", made.serialized_der());
        Ok((Self::parse(text.as_bytes(), algorithm)?, text))
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| "the cryptographic library did not sign".to_owned();
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Pair::Curve(pair, _) => pair.sign(&random, message).map(|signed| signed.as_ref().to_vec()).map_err(failed),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    /// The members of the public key that say which key it is, and no others (RFC 7638 3.2).
    pub(super) fn public(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| Value::String(URL_SAFE_NO_PAD.encode(bytes));
        let members = match &self.pair {
            Pair::Rsa(pair, _) => {
                let numbers = der::elements(pair.public_key().as_ref()).unwrap_or_default();
                let number = |at: usize| text(numbers.get(at).and_then(|it| der::positive(it)).unwrap_or_default());
                json!({ "e": number(1), "kty": "RSA", "n": number(0) })
            }
            Pair::Curve(pair, name) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "crv": name, "kty": "EC", "x": text(x), "y": text(y) })
            }
            Pair::Ed25519(pair) => json!({ "crv": "Ed25519", "kty": "OKP", "x": text(pair.public_key().as_ref()) }),
        };
        if let Value::Object(members) = members { members } else { Map::new() }
    }

    /// The SHA-256 of the public key (RFC 7638) in the target's notation.
    pub(super) fn thumbprint(&self) -> String {
        // The members must be in the order of their names.
        let members: std::collections::BTreeMap<_, _> = self.public().into_iter().collect();
        let text = serde_json::to_string(&members).unwrap_or_default();
        STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()))
    }
}

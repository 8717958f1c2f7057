//! A key and what it may be used for. Made by `key_text` from what was read, used by the algorithms. It must never show
//! what is secret in it.

use std::fmt;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING, ED25519, EcdsaKeyPair,
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, Ed25519KeyPair, ParsedPublicKey,
};
use zeroize::Zeroizing;

use crate::Fault;

/// A key.
pub(crate) struct Key {
    pub(crate) material: Material,
    pub(crate) purpose: Purpose,
}

/// What a key consists of.
pub(crate) enum Material {
    /// The bytes of a symmetric key.
    Symmetric(Zeroizing<Vec<u8>>),
    Rsa(RsaKey),
    Ec(EcKey),
    Ed25519(Ed25519Key),
    /// A key that is well-formed, and of no use to any algorithm here: its type or curve.
    Unusable(String),
}

pub(crate) struct RsaKey {
    /// Big-endian, without leading zeros.
    pub(crate) modulus: Vec<u8>,
    pub(crate) exponent: Vec<u8>,
    pub(crate) private: Option<RsaKeyPair>,
}

pub(crate) struct EcKey {
    pub(crate) curve: Curve,
    /// Uncompressed.
    pub(crate) point: Vec<u8>,
    pub(crate) private: Option<EcdsaKeyPair>,
}

pub(crate) struct Ed25519Key {
    pub(crate) public: Vec<u8>,
    pub(crate) private: Option<Ed25519KeyPair>,
}

/// What the JSON of a key says about it. Empty where the key was not JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// `kid`.
    pub(crate) id: Option<String>,
    /// `alg`: the only algorithm it may be used with.
    pub(crate) algorithm: Option<String>,
    /// `use`: `enc` or `sig`.
    pub(crate) usage: Option<String>,
    /// `key_ops`: the only operations it may be used for.
    pub(crate) operations: Vec<String>,
}

/// An operation, as `key_ops` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Encrypt,
    Decrypt,
    WrapKey,
    UnwrapKey,
    Sign,
    Verify,
}

impl Use {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::WrapKey => "wrapKey",
            Self::UnwrapKey => "unwrapKey",
            Self::Sign => "sign",
            Self::Verify => "verify",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Sign | Self::Verify => "sig",
            Self::Encrypt | Self::Decrypt | Self::WrapKey | Self::UnwrapKey => "enc",
        }
    }
}

impl Purpose {
    /// Whether the key may be used for an operation.
    pub(crate) fn allows(&self, operation: Use) -> bool {
        let listed = self.operations.is_empty() || self.operations.iter().any(|known| known == operation.name());
        listed && self.usage.as_deref().is_none_or(|usage| usage == operation.usage())
    }

    /// Whether the key may be used with an algorithm.
    pub(crate) fn allows_algorithm(&self, algorithm: &str) -> bool {
        self.algorithm.as_deref().is_none_or(|only| only == algorithm)
    }
}

/// A curve that signatures are made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    pub(crate) fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA384_ASN1,
            Self::P521 => &ECDSA_P521_SHA512_ASN1,
        }
    }

    pub(crate) fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::P256 => &SHA256,
            Self::P384 => &SHA384,
            Self::P521 => &SHA512,
        }
    }
}

impl Ed25519Key {
    /// A public key; `None` if it has not the length of one.
    pub(crate) fn public(bytes: &[u8]) -> Option<Self> {
        parsed(&ED25519, bytes).ok()?;
        Some(Self { public: bytes.to_vec(), private: None })
    }
}

impl Key {
    /// A key that says nothing about what it is for.
    pub(crate) fn plain(material: Material) -> Self {
        Self { material, purpose: Purpose::default() }
    }

    /// The bytes of a symmetric key.
    pub(crate) fn symmetric(&self) -> Result<&[u8], Fault> {
        match &self.material {
            Material::Symmetric(bytes) => Ok(bytes),
            _ => Err(Fault::KeyTypeMismatch),
        }
    }

    /// The key as it is wrapped: bytes of a symmetric one, PKCS#8 of a private one, PKIX of a public one.
    pub(crate) fn serialized(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let private = match &self.material {
            Material::Symmetric(bytes) => return Ok(bytes.clone()),
            Material::Rsa(RsaKey { private: Some(key), .. }) => pkcs8(key)?,
            Material::Ec(EcKey { private: Some(key), .. }) => {
                key.to_pkcs8v1().map_err(|_| Fault::Failed)?.as_ref().to_vec()
            }
            Material::Ed25519(Ed25519Key { private: Some(key), .. }) => pkcs8(key)?,
            Material::Rsa(_) | Material::Ec(_) | Material::Ed25519(_) | Material::Unusable(_) => self.public_der()?,
        };
        Ok(Zeroizing::new(private))
    }

    /// The public part in PKIX.
    pub(crate) fn public_der(&self) -> Result<Vec<u8>, Fault> {
        let der: Result<PublicKeyX509Der<'_>, _> = match &self.material {
            Material::Rsa(key) => PublicKeyComponents { n: &key.modulus, e: &key.exponent }.as_der(),
            Material::Ec(key) => parsed(key.curve.verification(), &key.point)?.as_der(),
            Material::Ed25519(key) => parsed(&ED25519, &key.public)?.as_der(),
            Material::Symmetric(_) | Material::Unusable(_) => return Err(Fault::KeyTypeMismatch),
        };
        Ok(der.map_err(|_| Fault::Failed)?.as_ref().to_vec())
    }
}

fn pkcs8(key: &impl AsDer<Pkcs8V1Der<'static>>) -> Result<Vec<u8>, Fault> {
    Ok(key.as_der().map_err(|_| Fault::Failed)?.as_ref().to_vec())
}

fn parsed(algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]) -> Result<ParsedPublicKey, Fault> {
    ParsedPublicKey::new(algorithm, key).map_err(|_| Fault::KeyTypeMismatch)
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("id", &self.purpose.id).finish_non_exhaustive()
    }
}

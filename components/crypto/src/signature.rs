//! Signatures (RFC 7518 section 3, RFC 8037). Called by `algorithm`. All but EdDSA take the digest of the message; ECDSA
//! signatures are in ASN.1, as those of the target.

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaParameters,
    UnparsedPublicKey,
};

use crate::Fault;
use crate::key::{Curve, EcKey, Ed25519Key, Key, Material, RsaKey};

/// An algorithm for signatures.
#[derive(Clone, Copy)]
pub(crate) enum Signing {
    Rsa { digest: &'static digest::Algorithm, encoding: &'static dyn RsaEncoding, checking: &'static RsaParameters },
    Ecdsa(Curve),
    EdDsa,
}

impl Signing {
    /// The algorithm of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let rsa = |digest, encoding, checking| Self::Rsa { digest, encoding, checking };
        Some(match name {
            "RS256" => rsa(&SHA256, &RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
            "RS384" => rsa(&SHA384, &RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
            "RS512" => rsa(&SHA512, &RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
            "PS256" => rsa(&SHA256, &RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
            "PS384" => rsa(&SHA384, &RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384),
            "PS512" => rsa(&SHA512, &RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Ecdsa(Curve::P256),
            "ES384" => Self::Ecdsa(Curve::P384),
            "ES512" => Self::Ecdsa(Curve::P521),
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    /// Signs with a private key.
    pub(crate) fn sign(self, key: &Key, message: &[u8]) -> Result<Vec<u8>, Fault> {
        match (self, &key.material) {
            (Self::Rsa { digest, encoding, .. }, Material::Rsa(RsaKey { private: Some(pair), .. })) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, &imported(message, digest)?, &mut out).map_err(|_| Fault::Failed)?;
                Ok(out)
            }
            (Self::Ecdsa(curve), Material::Ec(EcKey { curve: own, private: Some(pair), .. })) if curve == *own => {
                let signed = pair.sign_digest(&imported(message, curve.digest())?).map_err(|_| Fault::Failed)?;
                Ok(signed.as_ref().to_vec())
            }
            (Self::EdDsa, Material::Ed25519(Ed25519Key { private: Some(pair), .. })) => {
                Ok(pair.try_sign(message).map_err(|_| Fault::Failed)?.as_ref().to_vec())
            }
            _ => Err(Fault::KeyTypeMismatch),
        }
    }

    /// Whether a signature is that of a digest or message.
    pub(crate) fn verify(self, key: &Key, message: &[u8], signature: &[u8]) -> Result<bool, Fault> {
        match (self, &key.material) {
            (Self::Rsa { digest, checking, .. }, Material::Rsa(_)) => {
                let digest = imported(message, digest)?;
                let public = ParsedPublicKey::new(checking, key.public_der()?).map_err(|_| Fault::KeyTypeMismatch)?;
                Ok(public.verify_digest_sig(&digest, signature).is_ok())
            }
            (Self::Ecdsa(curve), Material::Ec(EcKey { curve: own, point, .. })) if curve == *own => {
                let public = UnparsedPublicKey::new(curve.verification(), point);
                Ok(public.verify_digest(&imported(message, curve.digest())?, signature).is_ok())
            }
            (Self::EdDsa, Material::Ed25519(Ed25519Key { public, .. })) => {
                Ok(UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok())
            }
            _ => Err(Fault::KeyTypeMismatch),
        }
    }
}

fn imported(message: &[u8], algorithm: &'static digest::Algorithm) -> Result<Digest, Fault> {
    Digest::import_less_safe(message, algorithm).map_err(|_| Fault::InvalidDigestLength)
}

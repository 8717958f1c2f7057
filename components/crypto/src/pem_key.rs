//! Keys in PEM: PKCS#1, PKCS#8, SEC 1, PKIX, and the key of a certificate. Called by `key_text`.

use aws_lc_rs::rsa::{KeyPair, PublicKey};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::{PublicKey as Parsed, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::key::{Curve, EcKey, Ed25519Key, Key, Material, RsaKey};
use crate::key_text::Unreadable;

const ED25519: &str = "1.3.101.112";

/// Reads the first block.
pub(crate) fn read(content: &[u8]) -> Result<Key, Unreadable> {
    let block = pem::parse(content).map_err(|_| Unreadable::new("the key is not PEM"))?;
    let der = block.contents();
    let material = match block.tag() {
        "PRIVATE KEY" => private(der),
        "RSA PRIVATE KEY" => KeyPair::from_der(der).map_err(|error| unusable("RSA", error)).and_then(rsa_pair),
        "EC PRIVATE KEY" => ec(der).unwrap_or_else(|| Err(Unreadable::new("the curve of the EC key is not supported"))),
        "PUBLIC KEY" => SubjectPublicKeyInfo::from_der(der)
            .map_err(|_| Unreadable::new("the public key cannot be read"))
            .and_then(|(_, info)| public(&info)),
        "RSA PUBLIC KEY" => {
            PublicKey::from_der(der).map_err(|error| unusable("RSA", error)).and_then(|key| rsa(key.as_ref(), None))
        }
        "CERTIFICATE" => X509Certificate::from_der(der)
            .map_err(|_| Unreadable::new("the certificate cannot be read"))
            .and_then(|(_, certificate)| public(certificate.public_key())),
        other => Err(Unreadable::new(format!("invalid PEM block type {other:?}"))),
    };
    material.map(Key::plain)
}

fn unusable(what: &str, error: impl std::fmt::Display) -> Unreadable {
    Unreadable::new(format!("unusable {what} key: {error}"))
}

/// PKCS#8 of any kind.
fn private(der: &[u8]) -> Result<Material, Unreadable> {
    let rsa = match KeyPair::from_pkcs8(der) {
        Ok(pair) => return rsa_pair(pair),
        Err(error) => error,
    };
    if let Some(key) = ec(der) {
        return key;
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        let public = pair.public_key().as_ref().to_vec();
        return Ok(Material::Ed25519(Ed25519Key { public, private: Some(pair) }));
    }
    Err(Unreadable::new(format!("the private key is none of RSA ({rsa}), EC on P-256, P-384 or P-521, Ed25519")))
}

/// An EC key of whichever curve it is of; `None` if it is of none of ours.
fn ec(der: &[u8]) -> Option<Result<Material, Unreadable>> {
    Curve::ALL.into_iter().find_map(|curve| {
        let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), der).ok()?;
        let point = pair.public_key().as_ref().to_vec();
        Some(Ok(Material::Ec(EcKey { curve, point, private: Some(pair) })))
    })
}

fn rsa_pair(pair: KeyPair) -> Result<Material, Unreadable> {
    let public = pair.public_key().as_ref().to_vec();
    rsa(&public, Some(pair))
}

/// The key of a PKCS#1 public key.
fn rsa(public: &[u8], private: Option<KeyPair>) -> Result<Material, Unreadable> {
    let (_, parsed) = RSAPublicKey::from_der(public).map_err(|_| Unreadable::new("the RSA key cannot be read"))?;
    Ok(Material::Rsa(RsaKey { modulus: positive(parsed.modulus), exponent: positive(parsed.exponent), private }))
}

/// A number of DER without the zeros that only say that it is positive.
fn positive(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

fn public(info: &SubjectPublicKeyInfo<'_>) -> Result<Material, Unreadable> {
    let fault = || Unreadable::new("the public key is none of RSA, EC on P-256, P-384 or P-521, Ed25519");
    if info.algorithm.algorithm.to_id_string() == ED25519 {
        return Ed25519Key::public(&info.subject_public_key.data).map(Material::Ed25519).ok_or_else(fault);
    }
    match info.parsed().map_err(|_| fault())? {
        Parsed::RSA(key) => Ok(Material::Rsa(RsaKey {
            modulus: positive(key.modulus),
            exponent: positive(key.exponent),
            private: None,
        })),
        Parsed::EC(point) => {
            let point = point.data();
            let curve = Curve::ALL.into_iter().find(|curve| point.len() == 2 * curve.size() + 1).ok_or_else(fault)?;
            aws_lc_rs::signature::ParsedPublicKey::new(curve.verification(), point).map_err(|_| fault())?;
            Ok(Material::Ec(EcKey { curve, point: point.to_vec(), private: None }))
        }
        _ => Err(fault()),
    }
}

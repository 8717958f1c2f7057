//! Signing certificates: what a workload's certificate looks like, and an issuer's name in it byte for byte. It asks no
//! questions: who gets which certificate is decided before.

use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber, SigningKey,
};
use rustls_pki_types::CertificateDer;
use security::SpiffeId;
use security::certificate::Validity;

use crate::der;
use crate::images::{self, ContainerImage};

/// Bytes of a serial number; the target's are as long.
const SERIAL_BYTES: usize = 16;

/// What a workload's certificate says.
#[derive(Clone, Debug)]
pub struct Leaf<'a> {
    /// Whose it is.
    pub id: &'a SpiffeId,
    /// From when until when.
    pub validity: Validity,
    /// Names under which clients that know no SPIFFE ids reach it.
    pub dns_names: &'a [String],
    /// The images it runs, when they are known.
    pub images: &'a [ContainerImage],
}

/// An issuer's key, and how its certificates name the issuer.
pub struct Signer {
    key: KeyPair,
    /// The issuer's subject, DER. rcgen writes names anew and loses some, so it is put in as it stands.
    name: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

impl Signer {
    pub(super) fn new(key: KeyPair, name: Vec<u8>, key_id: Option<Vec<u8>>) -> Self {
        Self { key, name, key_id }
    }

    pub(super) fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Signs a certificate of this public key.
    ///
    /// # Errors
    /// A sentence: a name that no certificate can hold, or a failure of the cryptographic library.
    pub fn certify(&self, leaf: &Leaf<'_>, public: &impl PublicKeyData) -> Result<CertificateDer<'static>, String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(serial_number()?);
        params.not_before = leaf.validity.from.into();
        params.not_after = leaf.validity.until.into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        for name in leaf.dns_names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().map_err(told)?));
        }
        params.subject_alt_names.push(SanType::URI(leaf.id.as_str().try_into().map_err(told)?));
        params.custom_extensions.extend(images::extension(leaf.images));
        params.use_authority_key_identifier_extension = self.key_id.is_some();
        self.sign(&params, public)
    }

    /// Lets rcgen write the certificate without issuer and signature, and adds both.
    fn sign(&self, params: &CertificateParams, public: &impl PublicKeyData) -> Result<CertificateDer<'static>, String> {
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = DistinguishedName::new();
        if let Some(key_id) = &self.key_id {
            issuer.key_identifier_method = KeyIdMethod::PreSpecified(key_id.clone());
        }
        let written = params.signed_by(public, &Issuer::new(issuer, Unsigned(&self.key))).map_err(told)?;
        let unexpected = || "the certificate was not written as expected".to_owned();
        let parts = der::elements(written.der()).ok_or_else(unexpected)?;
        let [unsigned, algorithm, _] = parts.as_slice() else { return Err(unexpected()) };
        let mut fields = der::elements(unsigned).ok_or_else(unexpected)?;
        // Version, serial number, algorithm, issuer, and so on (RFC 5280 4.1).
        *fields.get_mut(3).ok_or_else(unexpected)? = self.name.as_slice();
        let signed = der::sequence(&fields);
        let signature = self.key.sign(&signed).map_err(told)?;
        Ok(der::sequence(&[&signed, algorithm, &der::bit_string(&signature)]).into())
    }
}

fn told(error: rcgen::Error) -> String {
    error.to_string()
}

/// A random number that is positive.
pub(super) fn serial_number() -> Result<SerialNumber, String> {
    let mut bytes = [0; SERIAL_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
    let [first, ..] = &mut bytes;
    *first = *first & 0x7f | 0x40;
    Ok(SerialNumber::from(bytes.to_vec()))
}

/// A key that signs nothing, for what is signed later.
struct Unsigned<'a>(&'a KeyPair);

impl PublicKeyData for Unsigned<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Unsigned<'_> {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

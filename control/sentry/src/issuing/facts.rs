//! What the certificate of an authority says, as far as signing with it needs. Called while a bundle is verified or rotated.

use std::fmt;

use rustls_pki_types::CertificateDer;
use security::certificate::{self, Validity};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate, X509Name};

use super::Unverified;
use crate::der::Signed;

/// Which certificate it is: the SHA-256 of its DER form, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a certificate.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        Self(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As it was written down.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// To be written down.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a certificate says.
pub(super) struct Facts {
    /// The names, DER.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    /// The organisation, where the subject is that and nothing else.
    pub(super) organisation: Option<String>,
    /// The public key with its algorithm, DER.
    pub(super) key_info: Vec<u8>,
    pub(super) key_id: Option<Vec<u8>>,
    /// Whether it may sign certificates.
    pub(super) signs: bool,
    /// How many authorities may stand below it.
    pub(super) room: Option<u32>,
    pub(super) validity: Validity,
}

impl Facts {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Unverified> {
        let unreadable = |reason: String| Unverified(format!("a certificate cannot be read: {reason}"));
        let validity = certificate::validity(certificate).map_err(|error| unreadable(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| unreadable(error.to_string()))?;
        let usage = parsed.key_usage().ok().flatten();
        let constraints = parsed.basic_constraints().ok().flatten();
        let key_id = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        Ok(Self {
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            organisation: only_organisation(parsed.subject()),
            key_info: parsed.public_key().raw.to_vec(),
            key_id,
            room: constraints.and_then(|constraints| constraints.value.path_len_constraint),
            signs: parsed.is_ca() && usage.is_none_or(|usage| usage.value.key_cert_sign()),
            validity,
        })
    }

    /// Whether this one's key has signed a certificate.
    pub(super) fn has_signed(&self, certificate: &CertificateDer<'_>) -> bool {
        Signed::parse(certificate).is_some_and(|signed| signed.is_signed_by(&self.key_info))
    }
}

fn only_organisation(name: &X509Name<'_>) -> Option<String> {
    let mut organisations = name.iter_organization();
    match (organisations.next(), organisations.next(), name.iter_attributes().count()) {
        (Some(organisation), None, 1) => organisation.as_str().ok().map(str::to_owned),
        _ => None,
    }
}

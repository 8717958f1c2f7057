//! Trust anchors: the root certificates whose word counts. Read from PEM, never empty. They decide nothing by themselves: see
//! `verify`.

use std::fmt;
use std::time::SystemTime;

use rustls_pki_types::{CertificateDer, TrustAnchor};
use security::certificate::{self, CertificateError, Validity};

/// Why a text holds no trust anchors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorsError {
    /// It holds no readable certificate.
    Certificate(CertificateError),
    /// A certificate in it cannot vouch for others.
    Anchor(String),
}

impl fmt::Display for AnchorsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(reason) => write!(formatter, "failed to decode trust anchors: {reason}"),
            Self::Anchor(reason) => write!(formatter, "a certificate cannot be a trust anchor: {reason}"),
        }
    }
}

impl std::error::Error for AnchorsError {}

/// Some trust anchors.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<(TrustAnchor<'static>, Validity)>,
}

impl TrustAnchors {
    /// Reads every certificate of a PEM text.
    ///
    /// # Errors
    /// [`AnchorsError`] when there is none, or one cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AnchorsError> {
        Self::from_certificates(certificate::from_pem(pem).map_err(AnchorsError::Certificate)?)
    }

    fn from_certificates(certificates: Vec<CertificateDer<'static>>) -> Result<Self, AnchorsError> {
        let mut anchors = Vec::with_capacity(certificates.len());
        for der in &certificates {
            let validity = certificate::validity(der).map_err(AnchorsError::Certificate)?;
            let anchor =
                webpki::anchor_from_trusted_cert(der).map_err(|error| AnchorsError::Anchor(error.to_string()))?;
            anchors.push((anchor.to_owned(), validity));
        }
        Ok(Self { certificates, anchors })
    }

    /// These and others, each once.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let mut all = self.clone();
        for (der, anchor) in others.certificates.iter().zip(&others.anchors) {
            if !all.certificates.contains(der) {
                all.certificates.push(der.clone());
                all.anchors.push(anchor.clone());
            }
        }
        all
    }

    /// The certificates themselves.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        certificate::to_pem(&self.certificates)
    }

    /// Those that count at this moment: an expired root vouches for nobody.
    pub(crate) fn at(&self, moment: SystemTime) -> Vec<TrustAnchor<'static>> {
        let counting = self.anchors.iter().filter(|(_, validity)| validity.covers(moment));
        counting.map(|(anchor, _)| anchor.clone()).collect()
    }
}

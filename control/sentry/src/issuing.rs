//! What certificates are signed with: the trust anchors, the issuer's chain below one of them, and its key. Made from files by
//! `verify` and anew by `generate`. Once made it never changes: another bundle is another value.

mod facts;
mod generate;
mod signer;
mod verify;

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use security::certificate::Validity;

pub use facts::Fingerprint;
pub use generate::{Generated, NewPair};
pub use signer::{Leaf, Signer};
pub use verify::Material;

/// Why a bundle cannot be used, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified(pub(crate) String);

impl fmt::Display for Unverified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unverified {}

/// A verified bundle.
pub struct Issuing {
    anchors: Vec<CertificateDer<'static>>,
    anchors_pem: Bytes,
    chain: Vec<CertificateDer<'static>>,
    root: Fingerprint,
    life: Validity,
    issuer_until: SystemTime,
    is_generated: bool,
    signer: Signer,
}

impl fmt::Debug for Issuing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Issuing").field("root", &self.root).field("life", &self.life).finish_non_exhaustive()
    }
}

impl Issuing {
    /// The trust anchors.
    #[must_use]
    pub fn anchors(&self) -> &[CertificateDer<'static>] {
        &self.anchors
    }

    /// The trust anchors as PEM, without comments.
    #[must_use]
    pub fn anchors_pem(&self) -> &Bytes {
        &self.anchors_pem
    }

    /// The issuer and what stands between it and its root, issuer first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The trust anchor that vouches for the issuer.
    #[must_use]
    pub fn root(&self) -> &Fingerprint {
        &self.root
    }

    /// From when until when every certificate from the issuer to its root counts.
    #[must_use]
    pub fn life(&self) -> Validity {
        self.life
    }

    /// When the issuer's own certificate ends.
    #[must_use]
    pub fn issuer_until(&self) -> SystemTime {
        self.issuer_until
    }

    /// Whether root and issuer look as sentry (the target's or this one) generates them, and nobody else would.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.is_generated
    }

    /// Who signs.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }
}

#[cfg(test)]
mod tests;

//! A certificate authority for tests, and certificates of every wrong kind.

use std::time::{Duration, SystemTime};

use identity::{Credential, KeyKind, NewKey, TrustAnchors};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519, SanType};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) anchors: TrustAnchors,
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Seconds from now; negative ones are past.
pub(crate) fn at(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::until(at(3600))
    }

    pub(crate) fn until(end: SystemTime) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = (end - 2 * HOUR).into();
        params.not_after = end.into();
        let root = params.self_signed(&key).unwrap();
        let anchors = TrustAnchors::from_pem(root.pem().as_bytes()).unwrap();
        Self { issuer: Issuer::new(params, key), anchors }
    }

    /// Certifies a key for an id until then.
    pub(crate) fn leaf(&self, id: &str, end: SystemTime, public: &impl rcgen::PublicKeyData) -> rcgen::Certificate {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        params.not_before = (end - HOUR).into();
        params.not_after = end.into();
        params.signed_by(public, &self.issuer).unwrap()
    }

    pub(crate) fn credential(&self, id: &str, end: SystemTime) -> Credential {
        let key = NewKey::generate(KeyKind::Ed25519).unwrap();
        key.certified(vec![self.leaf(id, end, key.public()).into()]).unwrap()
    }
}

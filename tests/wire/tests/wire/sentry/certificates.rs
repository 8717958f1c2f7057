//! What the tests of sentry know of certificates: bundles as an operator makes them, and how a client judges what was signed.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519};
use rustls_pki_types::{CertificateDer, UnixTime};
use security::certificate;
use webpki::{EndEntityCert, KeyUsage};

/// A bundle that nobody but the operator of a test has made.
pub struct Bundle {
    pub anchors: String,
    pub chain: String,
    pub key: String,
}

impl Bundle {
    /// Whose issuer ends so long from now, and whose root a day later.
    pub fn ending_in(life: Duration) -> Self {
        let (root_key, key) =
            (KeyPair::generate_for(&PKCS_ED25519).unwrap(), KeyPair::generate_for(&PKCS_ED25519).unwrap());
        let end = SystemTime::now() + life;
        let root = authority("root of a company", end + Duration::from_secs(24 * 3600));
        let anchors = root.self_signed(&root_key).unwrap().pem();
        let issuer = authority("issuer of a company", end).signed_by(&key, &Issuer::new(root, root_key)).unwrap();
        Self { anchors, chain: issuer.pem(), key: key.serialize_pem() }
    }
}

fn authority(name: &str, end: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = (SystemTime::now() - Duration::from_secs(3600)).into();
    params.not_after = end.into();
    params
}

/// Whether a client that trusts these anchors takes this chain now.
pub fn is_taken(chain: &[CertificateDer<'_>], anchors: &str) -> bool {
    let read = certificate::from_pem(anchors.as_bytes()).unwrap();
    let anchors: Vec<_> = read.iter().map(|anchor| webpki::anchor_from_trusted_cert(anchor).unwrap()).collect();
    let end = EndEntityCert::try_from(&chain[0]).unwrap();
    let verdict = end.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &chain[1..],
        UnixTime::now(),
        KeyUsage::client_auth(),
        None,
        None,
    );
    verdict.is_ok()
}

//! A new root and a new issuer below it, as the target makes them. The root's key is forgotten at once: nothing but this one
//! issuer is ever signed with it.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::string::PrintableString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519,
};
use rustls_pki_types::CertificateDer;
use security::{SpiffeId, certificate};

use super::Unverified;
use super::facts::Fingerprint;
use super::signer::serial_number;

/// How a new pair is made.
#[derive(Clone, Debug)]
pub struct NewPair {
    /// The id of sentry, whose trust domain is that of the root.
    pub sentry: SpiffeId,
    /// How long both count.
    pub life: Duration,
    /// How long before now both begin to count, for clocks that are behind.
    pub skew: Duration,
}

/// A root and an issuer. Their keys are Ed25519.
#[derive(Clone)]
pub struct Generated {
    /// The root, PEM.
    pub root: String,
    /// Which root it is.
    pub fingerprint: Fingerprint,
    /// The issuer, PEM.
    pub chain: String,
    /// The issuer's private key, PEM (PKCS#8).
    pub key: String,
}

impl std::fmt::Debug for Generated {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Generated").field("root", &self.fingerprint).finish_non_exhaustive()
    }
}

impl NewPair {
    /// Makes it.
    ///
    /// # Errors
    /// When the system gives no randomness, or a date is beyond the year 9999.
    pub fn generate(&self, now: SystemTime) -> Result<Generated, Unverified> {
        self.made(now).map_err(|reason| Unverified(format!("failed to generate CA bundle: {reason}")))
    }

    fn made(&self, now: SystemTime) -> Result<Generated, String> {
        let told = |error: rcgen::Error| error.to_string();
        let (root_key, key) = (KeyPair::generate_for(&PKCS_ED25519).map_err(told)?, issuer_key()?);
        let root_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let root_params = self.authority(self.sentry.trust_domain(), root_usages.clone(), now)?;
        let root: CertificateDer<'static> = root_params.self_signed(&root_key).map_err(told)?.into();
        let usages = [root_usages, vec![KeyUsagePurpose::CrlSign]].concat();
        let mut params = self.authority(self.sentry.as_str(), usages, now)?;
        // With a second root of the same name beside it, the issuer should say which of the two has signed it.
        params.use_authority_key_identifier_extension = true;
        let issuer = params.signed_by(&key, &Issuer::new(root_params, root_key)).map_err(told)?;
        Ok(Generated {
            root: certificate::to_pem([&root]),
            fingerprint: Fingerprint::of(&root),
            chain: certificate::to_pem([issuer.der()]),
            key: certificate::block("PRIVATE KEY", key.serialized_der()),
        })
    }

    fn authority(
        &self,
        organisation: &str,
        usages: Vec<KeyUsagePurpose>,
        now: SystemTime,
    ) -> Result<CertificateParams, String> {
        let beyond = || "its life would end beyond what a certificate can say".to_owned();
        let until = now.checked_add(self.life).filter(|until| is_writable(*until)).ok_or_else(beyond)?;
        let mut params = CertificateParams::default();
        params.not_before = now.checked_sub(self.skew).ok_or_else(beyond)?.into();
        params.not_after = until.into();
        params.serial_number = Some(serial_number()?);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = usages;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, text(organisation));
        Ok(params)
    }
}

/// A key in the first version of PKCS#8, which every program reads.
fn issuer_key() -> Result<KeyPair, String> {
    let written = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new());
    let written = written.map_err(|_| "the system gives no randomness".to_owned())?;
    KeyPair::try_from(written.as_ref()).map_err(|error| error.to_string())
}

/// Whether X.509 can write the year.
fn is_writable(moment: SystemTime) -> bool {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    moment.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since <= LAST)
}

/// A name in the type that the target's library chooses for it.
fn text(name: &str) -> DnValue {
    PrintableString::try_from(name).map_or_else(|_| DnValue::Utf8String(name.to_owned()), DnValue::PrintableString)
}

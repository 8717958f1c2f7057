//! From three PEM texts to something that can sign. All that clients will ask of a certificate is asked here first: a trial
//! certificate is signed and judged as they judge, so that a bundle they would refuse is refused when it is loaded.

use rcgen::{KeyPair, PublicKeyData as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use security::SpiffeId;
use security::certificate::{self, Validity};
use std::time::SystemTime;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyUsage};

use super::facts::{Facts, Fingerprint};
use super::signer::{Leaf, Signer};
use super::{Issuing, Unverified};
use crate::der;

/// The texts of a bundle.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// The trust anchors, PEM.
    pub anchors: &'a [u8],
    /// The issuer, and what stands between it and its root, PEM.
    pub chain: &'a [u8],
    /// The issuer's private key, PEM: PKCS#8, PKCS#1 or SEC1.
    pub key: &'a [u8],
}

fn unverified(reason: impl Into<String>) -> Unverified {
    Unverified(reason.into())
}

impl Material<'_> {
    /// Verifies the bundle: trust anchors that sign themselves, a chain from the issuer to one of them, an issuer that may
    /// sign, and its key. `sentry` is the id that a trial certificate is signed for. Whether it counts now is not asked: see
    /// [`Issuing::life`].
    ///
    /// # Errors
    /// [`Unverified`] with the target's message where it has one.
    pub fn verify(&self, sentry: &SpiffeId) -> Result<Issuing, Unverified> {
        let anchors = certificate::from_pem(self.anchors)
            .map_err(|error| unverified(format!("failed to decode trust anchors: {error}")))?;
        for anchor in &anchors {
            if !Facts::of(anchor)?.has_signed(anchor) {
                return Err(unverified("certificate in trust anchor is not self-signed"));
            }
        }
        let chain = chain(self.chain)?;
        let key = self.key()?;
        let Links { root, facts, life } = link(&anchors, &chain)?;
        let issuer = facts.first().ok_or_else(|| unverified("no certificates found"))?;
        if der::public_key(&issuer.key_info) != Some(key.der_bytes()) {
            return Err(unverified("issuer key does not match issuer certificate"));
        }
        let signer = Signer::new(key, issuer.subject.clone(), issuer.key_id.clone());
        let issuing = Issuing {
            anchors_pem: certificate::to_pem(&anchors).into(),
            root: Fingerprint::of(root),
            life,
            issuer_until: issuer.validity.until,
            is_generated: is_generated(&facts, &Facts::of(root)?),
            anchors: anchors.clone(),
            chain,
            signer,
        };
        issuing.try_out(root, sentry)?;
        Ok(issuing)
    }

    fn key(&self) -> Result<KeyPair, Unverified> {
        let key = PrivateKeyDer::from_pem_slice(self.key).map_err(|_| unverified("key is not PEM encoded"))?;
        KeyPair::try_from(&key).map_err(|error| unverified(format!("the issuer key cannot be used: {error}")))
    }
}

/// The issuer's chain, without the root that may end it.
fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unverified> {
    let mut chain = certificate::from_pem(pem)
        .map_err(|error| unverified(format!("failed to decode issuer certificate chain: {error}")))?;
    for (signed, signer) in chain.iter().zip(chain.iter().skip(1)) {
        if !Facts::of(signer)?.has_signed(signed) {
            return Err(unverified("certificate chain is not valid"));
        }
    }
    if let Some(last) = chain.last()
        && Facts::of(last)?.has_signed(last)
    {
        if chain.len() == 1 {
            return Err(unverified(
                "the issuer certificate signs itself: it must be another one than the trust anchor, and signed by it",
            ));
        }
        chain.pop();
    }
    Ok(chain)
}

/// How a chain hangs together.
struct Links<'a> {
    root: &'a CertificateDer<'static>,
    facts: Vec<Facts>,
    life: Validity,
}

fn link<'a>(
    anchors: &'a [CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
) -> Result<Links<'a>, Unverified> {
    let facts: Vec<Facts> = chain.iter().map(Facts::of).collect::<Result<_, _>>()?;
    if !facts.iter().all(|facts| facts.signs) {
        return Err(unverified("intermediate certificate is not valid for signing"));
    }
    let (Some(last), Some(end)) = (chain.last(), facts.last()) else { return Err(unverified("no certificates found")) };
    let mut roots = Vec::new();
    for anchor in anchors {
        let root = Facts::of(anchor)?;
        if root.subject == end.issuer && root.signs && root.has_signed(last) {
            roots.push((anchor, root));
        }
    }
    // The same key can be in several roots: the one that lasts longest counts.
    let longest = roots.into_iter().max_by_key(|(_, root)| root.validity.until);
    let (root, top) = longest.ok_or_else(|| unverified("issuer chain does not belong to trust anchors"))?;
    // The trial below does not ask this of roots; some clients do.
    let crowded = facts.iter().chain([&top]).zip(0..).any(|(facts, below)| facts.room.is_some_and(|room| room < below));
    if crowded {
        return Err(unverified(
            "issuer chain does not belong to trust anchors: clients would refuse what it signs: a path length constraint \
             leaves no room for the issuer",
        ));
    }
    let lives = facts.iter().map(|facts| facts.validity);
    let life = lives.fold(top.validity, |one, other| Validity {
        from: one.from.max(other.from),
        until: one.until.min(other.until),
    });
    if life.from > life.until {
        return Err(unverified(
            "issuer chain does not belong to trust anchors: there is no time at which all of it counts",
        ));
    }
    Ok(Links { root, facts, life })
}

impl Issuing {
    /// Signs a certificate and judges it as clients do.
    fn try_out(&self, root: &CertificateDer<'static>, sentry: &SpiffeId) -> Result<(), Unverified> {
        let leaf = Leaf { id: sentry, validity: self.life, dns_names: &[], images: &[] };
        let trial = self.signer.certify(&leaf, self.signer.key());
        let trial = trial.map_err(|reason| unverified(format!("the issuer cannot sign: {reason}")))?;
        self.judge(&trial, root, KeyUsage::server_auth())?;
        self.judge(&trial, root, KeyUsage::client_auth())
    }

    fn judge(
        &self,
        trial: &CertificateDer<'_>,
        root: &CertificateDer<'_>,
        usage: impl ExtendedKeyUsageValidator,
    ) -> Result<(), Unverified> {
        let refused = |error: webpki::Error| {
            unverified(format!(
                "issuer chain does not belong to trust anchors: clients would refuse what it signs: {error}"
            ))
        };
        let moment = self.life.until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let anchor = [webpki::anchor_from_trusted_cert(root).map_err(refused)?];
        let end = EndEntityCert::try_from(trial).map_err(refused)?;
        let (algorithms, now) = (webpki::ALL_VERIFICATION_ALGS, UnixTime::since_unix_epoch(moment));
        end.verify_for_usage(algorithms, &anchor, &self.chain, now, usage, None, None).map_err(refused).map(drop)
    }
}

/// Root and issuer as [`super::NewPair`] writes them: the root is the organisation `<trust domain>`, and the issuer right
/// below it the organisation `spiffe://<trust domain>/ns/<namespace>/dapr-sentry`.
fn is_generated(chain: &[Facts], root: &Facts) -> bool {
    let ([issuer], Some(trust_domain)) = (chain, &root.organisation) else { return false };
    let named = issuer.organisation.as_deref().and_then(|name| SpiffeId::parse(name).ok());
    named.is_some_and(|id| id.trust_domain() == trust_domain && id.app_id() == "dapr-sentry")
}

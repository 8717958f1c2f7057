//! The authority of this moment: one bundle that is replaced as a whole, and signing with it. Asked by the server for every
//! request, and by sentry for its own identity; replaced by `keeper`. It never signs with what does not count itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rcgen::PublicKeyData;
use rustls_pki_types::CertificateDer;
use security::SpiffeId;
use security::certificate::Validity;
use tokio::sync::watch;

use crate::images::ContainerImage;
use crate::issuing::{Issuing, Leaf};
use crate::tokens::Tokens;

const TARGET: &str = "dapr.sentry.ca";

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignError {
    /// The issuer or its root does not count now.
    Issuer(String),
    /// Signing failed.
    Failed(String),
}

impl fmt::Display for SignError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(reason) | Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for SignError {}

/// Who gets a certificate, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Whose it is.
    pub id: &'a SpiffeId,
    /// Names for clients that know no SPIFFE ids.
    pub dns_names: &'a [String],
    /// The images of its containers, where they are known.
    pub images: &'a [ContainerImage],
}

/// A signed certificate.
#[derive(Debug)]
pub struct Signed {
    /// The certificate, the issuer's, and so on below the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// When it ends.
    pub until: SystemTime,
}

/// How long certificates count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From now on.
    pub life: Duration,
    /// Before now, for clocks that are behind.
    pub skew: Duration,
}

/// A bundle in use.
#[derive(Debug)]
pub struct Current {
    /// What certificates are signed with.
    pub issuing: Issuing,
    /// What tokens are signed with, if any are.
    pub tokens: Option<Tokens>,
    was_shortened: AtomicBool,
}

impl Current {
    /// Puts a bundle to use.
    #[must_use]
    pub fn new(issuing: Issuing, tokens: Option<Tokens>) -> Self {
        Self { issuing, tokens, was_shortened: AtomicBool::new(false) }
    }

    /// Signs a certificate of this key. It ends with the issuer at the latest.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(
        &self,
        subject: &Subject<'_>,
        public: &impl PublicKeyData,
        lifetimes: Lifetimes,
        now: SystemTime,
    ) -> Result<Signed, SignError> {
        let life = self.issuing.life();
        counts(life, now).map_err(SignError::Issuer)?;
        let wanted = now + lifetimes.life;
        let validity = Validity {
            from: now.checked_sub(lifetimes.skew).unwrap_or(SystemTime::UNIX_EPOCH),
            until: wanted.min(life.until),
        };
        if validity.until < wanted && !self.was_shortened.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: TARGET,
                "The issuer or its root ends at {}: certificates are signed until then and not for their whole lifetime",
                date(life.until)
            );
        }
        let leaf = Leaf { id: subject.id, validity, dns_names: subject.dns_names, images: subject.images };
        let signed = self.issuing.signer().certify(&leaf, public).map_err(SignError::Failed)?;
        let chain = [signed].into_iter().chain(self.issuing.chain().iter().cloned()).collect();
        // Certificates know no fractions of seconds.
        Ok(Signed { chain, until: to_the_second(validity.until) })
    }
}

/// Whether a bundle counts now; the sentence says why not.
///
/// # Errors
/// The sentence.
pub fn counts(life: Validity, now: SystemTime) -> Result<(), String> {
    if now > life.until {
        return Err(format!("the issuer certificate or its root has expired at {}", date(life.until)));
    }
    if now < life.from {
        return Err(format!("the issuer certificate or its root does not count before {}", date(life.from)));
    }
    Ok(())
}

/// A moment as logs and errors write it, in UTC.
pub(crate) fn date(moment: SystemTime) -> String {
    Timestamp::try_from(to_the_second(moment))
        .map_or_else(|_| "an unknown time".to_owned(), |moment| moment.to_string())
}

fn to_the_second(moment: SystemTime) -> SystemTime {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// The bundle of this moment. A clone is the same authority.
#[derive(Clone, Debug)]
pub struct Authority {
    current: Arc<watch::Sender<Arc<Current>>>,
}

impl Authority {
    /// Begins with this bundle.
    #[must_use]
    pub fn new(first: Current) -> Self {
        Self { current: Arc::new(watch::Sender::new(Arc::new(first))) }
    }

    /// The bundle of this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.borrow())
    }

    /// Replaces the bundle.
    pub fn replace(&self, next: Current) {
        self.current.send_replace(Arc::new(next));
    }

    /// Sees every replacement.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Current>> {
        self.current.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ED25519};
    use security::certificate;

    use super::*;
    use crate::issuing::{Material, NewPair};

    const HOUR: Duration = Duration::from_secs(3600);

    fn sentry() -> SpiffeId {
        SpiffeId::parse("spiffe://cluster.local/ns/dapr-system/dapr-sentry").unwrap()
    }

    fn current(life: Duration, made: SystemTime) -> Current {
        let made = NewPair { sentry: sentry(), life, skew: HOUR }.generate(made).unwrap();
        let material =
            Material { anchors: made.root.as_bytes(), chain: made.chain.as_bytes(), key: made.key.as_bytes() };
        Current::new(material.verify(&sentry()).unwrap(), None)
    }

    fn signed(current: &Current, now: SystemTime) -> Result<Signed, SignError> {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let subject = Subject { id: &sentry(), dns_names: &[], images: &[] };
        current.sign(&subject, &key, Lifetimes { life: 24 * HOUR, skew: HOUR / 4 }, now)
    }

    #[test]
    fn a_certificate_counts_from_the_skew_before_now_to_its_lifetime_after() {
        let now = SystemTime::now();
        let signed = signed(&current(1000 * HOUR, now), now).unwrap();
        let validity = certificate::validity(&signed.chain[0]).unwrap();
        assert_eq!(validity.from, to_the_second(now - HOUR / 4));
        assert_eq!((validity.until, signed.until), (to_the_second(now + 24 * HOUR), to_the_second(now + 24 * HOUR)));
        assert_eq!(signed.chain.len(), 2);
    }

    #[test]
    fn no_certificate_outlives_its_issuer() {
        let now = SystemTime::now();
        let current = current(5 * HOUR, now);
        let signed = signed(&current, now).unwrap();
        assert_eq!(signed.until, current.issuing.life().until);
        assert_eq!(certificate::validity(&signed.chain[0]).unwrap().until, current.issuing.life().until);
    }

    #[test]
    fn nothing_is_signed_with_an_issuer_that_does_not_count() {
        let now = SystemTime::now();
        let current = current(5 * HOUR, now);
        let reason = |moment| match signed(&current, moment).unwrap_err() {
            SignError::Issuer(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason(now + 6 * HOUR).contains("has expired at 20"));
        assert!(reason(now - 2 * HOUR).contains("does not count before 20"));
        assert!(signed(&current, now + 4 * HOUR).is_ok());
    }
}

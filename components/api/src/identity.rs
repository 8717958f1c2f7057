//! The identity of the process as backends may use it: to prove to a server who the app is. Filled in by `sidecar` where the
//! process has one; a backend asks each time it needs it, since certificates and tokens are replaced while the process runs.

use std::fmt;
use std::time::SystemTime;

use crate::Error;

/// Gives certificates and tokens.
pub trait IdentitySource: fmt::Debug + Send + Sync {
    /// The certificate of this moment (an X.509-SVID); `None` while there is none that counts.
    fn certificate(&self) -> Option<IdentityCertificate>;

    /// A token for an audience (a JWT-SVID). Fails when sentry issues none, or none for this audience: it has to be asked for at
    /// start (`--sentry-request-jwt-audiences`).
    fn token(&self, audience: &str) -> Result<IdentityToken, Error>;
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct IdentityCertificate {
    /// The SPIFFE id it proves.
    pub id: String,
    /// The certificates in DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS#8 DER.
    pub key: Vec<u8>,
    /// When it ends.
    pub until: SystemTime,
}

impl fmt::Debug for IdentityCertificate {
    /// Does not show the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IdentityCertificate")
            .field("id", &self.id)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// A token.
#[derive(Clone)]
pub struct IdentityToken {
    /// The token as it is shown.
    pub token: String,
    /// When it ends.
    pub until: SystemTime,
}

impl fmt::Debug for IdentityToken {
    /// Does not show the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IdentityToken").field("until", &self.until).finish_non_exhaustive()
    }
}

//! Who may have which identity: one trait, and an implementation for each way of finding out. A validator finds; it signs
//! nothing and knows no gRPC.

mod form;
mod insecure;
mod jwks;
mod kubernetes;

use std::fmt;

use async_trait::async_trait;
use security::TrustDomain;
use wire::sentry::SignCertificateRequest;

use crate::images::ContainerImage;

pub use self::kubernetes::Kubernetes;
use form::PUBLIC;
pub use form::check;
pub use insecure::Insecure;
pub use jwks::{Jwks, JwksOptions, KeySet, KeySource, verify as verify_token};

/// Why a request is refused, for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// What was found about whoever asks, beyond the namespace and the id that it names and that are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// The trust domain its identity is in.
    pub trust_domain: TrustDomain,
    /// The images of its containers, where the validator knows them.
    pub images: Vec<ContainerImage>,
}

/// Finds out whether a request comes from whom it says.
#[async_trait]
pub trait Validator: Send + Sync {
    /// Its name in the target's logs.
    fn name(&self) -> &'static str;

    /// Judges a request. Whoever calls this may drop it at any time.
    ///
    /// # Errors
    /// [`Refusal`]: the request is not followed.
    async fn validate(&self, request: &SignCertificateRequest) -> Result<Validated, Refusal>;
}

//! The validator that asks for a JSON web token, signed with a key of a set that the operator names: for sentry
//! (audience), by whoever is to have the identity (subject).

mod key_set;
mod source;
mod token;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use security::SpiffeId;
use service::{HealthTarget, Shutdown, Tasks};
use wire::sentry::SignCertificateRequest;

pub use key_set::KeySet;
pub use source::{JwksOptions, KeySource};
pub use token::verify;

use super::{Refusal, Validated, Validator, check};

/// Asks for a token.
pub struct Jwks {
    sentry: SpiffeId,
    keys: Arc<KeySource>,
}

impl Jwks {
    /// Accepts tokens for `sentry`. Keys that are in a file or in the options are read now; those at a URL are fetched in the
    /// background until they are there, and `health` is not ready before.
    ///
    /// # Errors
    /// A sentence: options that mean nothing, or keys that cannot be read.
    pub async fn start(
        sentry: SpiffeId,
        options: &JwksOptions,
        health: HealthTarget,
        shutdown: Shutdown,
        tasks: &Tasks,
    ) -> Result<Self, String> {
        let keys = Arc::new(KeySource::open(options).await?);
        let kept = Arc::clone(&keys);
        tasks.spawn("jwks", async move {
            tokio::select! {
                () = shutdown.requested() => {}
                () = kept.keep(&health) => {}
            }
            health.not_ready();
        });
        Ok(Self { sentry, keys })
    }
}

#[async_trait]
impl Validator for Jwks {
    fn name(&self) -> &'static str {
        "jwks"
    }

    async fn validate(&self, request: &SignCertificateRequest) -> Result<Validated, Refusal> {
        if request.token.is_empty() {
            return Err(Refusal("the request does not contain a token".to_owned()));
        }
        let trust_domain = check(request)?;
        let subject = SpiffeId::of(&trust_domain, &request.namespace, &request.id)
            .map_err(|error| Refusal(format!("failed to construct SPIFFE ID for requestor: {error}")))?;
        let keys = self.keys.with_key_of(&request.token).await.map_err(|reason| Refusal(reason.to_owned()))?;
        verify(&request.token, &keys, self.sentry.as_str(), subject.as_str(), SystemTime::now())
            .map_err(|reason| Refusal(format!("token validation failed: {reason}")))?;
        Ok(Validated { trust_domain, images: Vec::new() })
    }
}

#[cfg(test)]
mod tests;

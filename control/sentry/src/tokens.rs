//! JSON web tokens with the identity that a certificate has: who issues them, what they say, and the public keys that verify
//! them. Made when a bundle is loaded, asked with every certificate that is signed.

mod key;
mod key_set;

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use security::SpiffeId;
use serde_json::json;

pub use key::{Algorithm, TokenKey};

use crate::issuing::Unverified;

/// How tokens are issued.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// How they are signed.
    pub algorithm: Algorithm,
    /// What they call their key; `None` leaves it to the key set.
    pub key_id: Option<String>,
    /// What they call their issuer; `None` leaves it out.
    pub issuer: Option<String>,
    /// How long they count.
    pub life: Duration,
    /// How long before they are issued they begin to count.
    pub skew: Duration,
}

/// Issues tokens.
pub struct Tokens {
    key: TokenKey,
    key_id: String,
    key_set: Bytes,
    options: TokenOptions,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokens").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Of a private key and the set of public keys that it must be in, both as texts.
    ///
    /// # Errors
    /// [`Unverified`] with the target's message where it has one.
    pub fn new(key: &[u8], key_set: &[u8], options: &TokenOptions) -> Result<Self, Unverified> {
        let key = TokenKey::parse(key, options.algorithm)?;
        let found = key_set::find(key_set, &key, options.key_id.as_deref());
        let found = found.map_err(|reason| Unverified(format!("failed to verify JWKS: {reason}")))?;
        if found.had_secrets {
            tracing::warn!(
                target: "dapr.sentry.ca",
                "The JWKS holds private or symmetric keys; they are left out of what is served, and should not be in that file"
            );
        }
        let key_id = options.key_id.clone().or(found.key_id).unwrap_or_else(|| key.thumbprint());
        Ok(Self { key, key_id, key_set: found.public.into(), options: options.clone() })
    }

    /// The public keys, JSON.
    #[must_use]
    pub fn key_set(&self) -> &Bytes {
        &self.key_set
    }

    /// What tokens call their key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// How they are signed.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.options.algorithm
    }

    /// Issues a token for a workload.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn issue(&self, id: &SpiffeId, audiences: &[&str], now: SystemTime) -> Result<String, String> {
        let header = json!({ "alg": self.algorithm().as_str(), "kid": self.key_id, "typ": "JWT" });
        let mut claims = json!({
            "aud": audiences,
            "exp": seconds(now + self.options.life),
            "iat": seconds(now),
            "jti": unique()?,
            "nbf": seconds(now.checked_sub(self.options.skew).unwrap_or(SystemTime::UNIX_EPOCH)),
            "sub": id.as_str(),
            // Azure refuses tokens without it.
            "use": "sig",
        });
        if let (Some(issuer), Some(claims)) = (&self.options.issuer, claims.as_object_mut()) {
            claims.insert("iss".to_owned(), json!(issuer));
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A key and its set of public keys, as texts.
///
/// # Errors
/// [`Unverified`] when the system gives no randomness.
pub fn generate(options: &TokenOptions) -> Result<(String, Vec<u8>), Unverified> {
    let (key, text) = TokenKey::generate(options.algorithm)?;
    Ok((text, key_set::of(&key, options.key_id.as_deref())))
}

/// The set of public keys of a key that is there without one.
///
/// # Errors
/// [`Unverified`] when the key cannot be read.
pub fn key_set_of(key: &[u8], options: &TokenOptions) -> Result<Vec<u8>, Unverified> {
    Ok(key_set::of(&TokenKey::parse(key, options.algorithm)?, options.key_id.as_deref()))
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn unique() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;

//! `crypto.dapr.jwks`: the keys of a JSON Web Key Set, named by their `kid`. Called by the loader and, through
//! `local_keys`, by the cryptography block. Where the set is kept decides which source holds it.

mod file_set;
mod remote_set;

use std::sync::Arc;
use std::time::Duration;

use base64::alphabet::STANDARD;
use component::crypto::CryptoProvider;
use component::{Constructing, Error, ErrorKind, Settings, Setup};
use zeroize::Zeroizing;

use crate::json_key;
use crate::key::Key;
use crate::key_text::{Unreadable, lenient};
use crate::local_keys::{KeySource, LocalKeys, not_found};
use file_set::FileSet;
use remote_set::RemoteSet;

/// The longest set there may be, in bytes.
const MAX_SET: usize = 1 << 20;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The metadata of `crypto.dapr.jwks`.
#[derive(Settings)]
pub(crate) struct JwksSettings {
    /// The key set: its JSON, also in base64; or the `http` or `https` URL it is fetched from; or the path of a file, which
    /// is read again when it changes.
    #[setting(required, secret)]
    jwks: String,
    /// How long fetching the key set may take; less than a millisecond means the default.
    #[setting(default = "30s")]
    request_timeout: Duration,
    /// How long a fetched key set is used before it is fetched again, unless the server says longer; less than a second
    /// means the default.
    #[setting(default = "10m")]
    min_refresh_interval: Duration,
}

/// Keys by their id. Of two with one id the first counts, as in the target.
#[derive(Default)]
pub(crate) struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    fn read(content: &[u8]) -> Result<Self, Unreadable> {
        Ok(Self(json_key::read_set(content)?.into_iter().map(Arc::new).collect()))
    }

    fn find(&self, id: &str) -> Option<Arc<Key>> {
        self.0.iter().find(|key| key.purpose.id.as_deref() == Some(id)).cloned()
    }
}

/// Reads the key set for the first time.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn CryptoProvider> {
    Box::pin(async move {
        let mut settings = JwksSettings::parse(&setup.properties)?;
        if settings.request_timeout < Duration::from_millis(1) {
            settings.request_timeout = REQUEST_TIMEOUT;
        }
        if settings.min_refresh_interval < Duration::from_secs(1) {
            settings.min_refresh_interval = MIN_REFRESH_INTERVAL;
        }
        let provider: Arc<dyn CryptoProvider> = if settings.jwks.starts_with("https://") {
            Arc::new(LocalKeys(RemoteSet::fetch(settings, setup.host).await?))
        } else if settings.jwks.starts_with("http://") {
            tracing::warn!(
                target: "dapr.contrib",
                "Loading JWK from an HTTP endpoint without TLS: this is not recommended on production environments."
            );
            Arc::new(LocalKeys(RemoteSet::fetch(settings, setup.host).await?))
        } else if is_file(&settings.jwks).await {
            Arc::new(LocalKeys(FileSet::open(settings.jwks.into(), &setup.host).await?))
        } else {
            Arc::new(LocalKeys(inline(&settings.jwks)?))
        };
        Ok(provider)
    })
}

/// Why there is no key set. The text is not the target's alone: it ends with what is wrong.
fn failed(text: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("failed to init cache: {text}"))
}

async fn is_file(text: &str) -> bool {
    // No path is longer, and a key set usually is.
    text.len() <= 4096 && tokio::fs::metadata(text).await.is_ok_and(|about| !about.is_dir())
}

fn inline(text: &str) -> Result<KeySet, Error> {
    let decoded = lenient(text.trim_end_matches('=').as_bytes(), &STANDARD);
    let content = decoded.unwrap_or_else(|| Zeroizing::new(text.as_bytes().to_vec()));
    KeySet::read(&content).map_err(|error| {
        failed(format!(
            "failed to parse property 'location': not a URL, path to local file, or JSON value (optionally \
             base64-encoded): {error}"
        ))
    })
}

#[async_trait::async_trait]
impl KeySource for KeySet {
    async fn key(&self, name: &str) -> Result<Arc<Key>, Error> {
        self.find(name).ok_or_else(not_found)
    }
}

#[cfg(test)]
mod tests;

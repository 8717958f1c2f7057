//! Keeps the keys of an issuer: asked for again when they are old, and at once when a token names a key that is not among
//! them, so that keys can be replaced and withdrawn. The last keys that could be read stay.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use component::http::HttpClient;
use component::{Error, Host, Tasks};
use http::Uri;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::discovery;
use super::keys::KeySet;

/// How old keys may be before they are asked for again. From the target.
const OLD: Duration = Duration::from_secs(10 * 60);
/// How often keys are asked for at most, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(5);

/// The keys of this moment, and where new ones come from.
pub(super) struct KeySource {
    client: HttpClient,
    url: Uri,
    component: String,
    keys: RwLock<Arc<KeySet>>,
    /// When they were asked for last, successfully or not. Locked while they are asked for, so that one asks for all.
    asked: Arc<Mutex<Instant>>,
    tasks: Tasks,
}

impl KeySource {
    /// Fetches the keys.
    ///
    /// # Errors
    /// When there are none.
    pub(super) async fn open(host: &Host, url: Uri, component: String) -> Result<Self, Error> {
        let client = host.http.clone();
        let fetched = fetch(&client, &url).await.map_err(|cause| {
            let kind = cause.kind();
            Error::new(kind, "failed to fetch JWKS").caused_by(cause)
        })?;
        let keys = RwLock::new(Arc::new(fetched));
        let asked = Arc::new(Mutex::new(Instant::now()));
        Ok(Self { client, url, component, keys, asked, tasks: host.tasks.clone() })
    }

    /// The keys to judge a token with that names this one. Only a token whose key is not among them waits for new ones.
    pub(super) async fn with_key(self: &Arc<Self>, name: &str) -> Arc<KeySet> {
        let keys = self.current();
        let known = keys.has(name);
        if let Ok(asked) = Arc::clone(&self.asked).try_lock_owned() {
            let age = asked.elapsed();
            if age < PAUSE || (known && age < OLD) {
                return keys;
            }
            let source = Arc::clone(self);
            self.tasks.spawn("keys of an issuer", async move { source.refresh(asked).await });
        }
        if known {
            return keys;
        }
        drop(self.asked.lock().await);
        self.current()
    }

    async fn refresh(&self, mut asked: OwnedMutexGuard<Instant>) {
        match fetch(&self.client, &self.url).await {
            Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
            Err(error) => tracing::warn!(
                target: "dapr.contrib",
                component = self.component,
                "Error while refreshing JWKS cache: {error}; the last keys stay"
            ),
        }
        *asked = Instant::now();
    }

    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn fetch(client: &HttpClient, url: &Uri) -> Result<KeySet, Error> {
    KeySet::parse(&discovery::get(client, url).await?.body)
}

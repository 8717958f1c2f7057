//! A key set that is fetched from a URL, and again when it is asked for after its time. Made by `jwks`. Nothing runs
//! while nobody asks.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use component::http::{empty_body, read_body};
use component::{Error, ErrorKind, Host, HttpClient};
use http::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use http::response::Parts;
use http::{HeaderMap, Request, StatusCode, Uri};
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{JwksSettings, KeySet, MAX_SET};
use crate::key::Key;
use crate::local_keys::{KeySource, not_found};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// The key set as it was last fetched.
pub(super) struct RemoteSet {
    shared: Arc<Shared>,
    host: Host,
}

struct Shared {
    http: HttpClient,
    url: String,
    timeout: Duration,
    interval: Duration,
    fetched: RwLock<Arc<Fetched>>,
    /// Held while it is fetched, so that it is fetched once at a time.
    fetching: Mutex<()>,
    closed: CancellationToken,
}

struct Fetched {
    keys: KeySet,
    /// When it must be fetched again before it is used.
    stale: Instant,
    /// When it may be fetched again for a key that is not in it.
    again: Instant,
}

impl RemoteSet {
    /// Fetches the set for the first time.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn fetch(settings: JwksSettings, host: Host) -> Result<Self, Error> {
        let JwksSettings { jwks: url, request_timeout: timeout, min_refresh_interval: interval } = settings;
        let (keys, lifetime) = fetch(&host.http, &url, timeout).await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "failed to init cache: failed to fetch JWKS").caused_by(error)
        })?;
        let fetched = Fetched::new(keys, lifetime, interval);
        let shared = Shared {
            http: host.http.clone(),
            url,
            timeout,
            interval,
            fetched: RwLock::new(Arc::new(fetched)),
            fetching: Mutex::default(),
            closed: CancellationToken::new(),
        };
        Ok(Self { shared: Arc::new(shared), host })
    }

    /// Fetches the set in a task of its own, so that a caller who goes away does not undo it, and waits for that.
    async fn refreshed(&self, seen: &Arc<Fetched>) -> Arc<Fetched> {
        let (done, waiting) = oneshot::channel();
        let (shared, seen) = (Arc::clone(&self.shared), Arc::clone(seen));
        self.host.tasks.spawn("fetching a key set", async move {
            tokio::select! {
                () = shared.closed.cancelled() => {}
                () = shared.refresh(&seen) => {}
            }
            let _ = done.send(());
        });
        // An error means that the task has ended without a word, which changes nothing.
        let _ = waiting.await;
        self.shared.current()
    }
}

#[async_trait::async_trait]
impl KeySource for RemoteSet {
    async fn key(&self, name: &str) -> Result<Arc<Key>, Error> {
        let mut fetched = self.shared.current();
        if Instant::now() >= fetched.stale {
            fetched = self.refreshed(&fetched).await;
        }
        let mut found = fetched.keys.find(name);
        if found.is_none() && Instant::now() >= fetched.again {
            found = self.refreshed(&fetched).await.keys.find(name);
        }
        found.ok_or_else(not_found)
    }

    fn close(&self) {
        self.shared.closed.cancel();
    }
}

impl Shared {
    fn current(&self) -> Arc<Fetched> {
        Arc::clone(&self.fetched.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the set, unless somebody did since `seen`. A set that cannot be had leaves the old one in use for a while.
    async fn refresh(&self, seen: &Arc<Fetched>) {
        let _one_at_a_time = self.fetching.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, seen) {
            return;
        }
        let fresh = match fetch(&self.http, &self.url, self.timeout).await {
            Ok((keys, lifetime)) => Fetched::new(keys, lifetime, self.interval),
            Err(error) => {
                tracing::warn!(target: "dapr.contrib", "Error while refreshing JWKS cache: {error}");
                Fetched::new(KeySet(current.keys.0.clone()), None, self.interval)
            }
        };
        *self.fetched.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
    }
}

impl Fetched {
    fn new(keys: KeySet, lifetime: Option<Duration>, interval: Duration) -> Self {
        let now = Instant::now();
        // Far enough for what cannot be added.
        let after = |time: Duration| now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(86_400));
        Self {
            keys,
            stale: after(lifetime.map_or(interval, |lifetime| lifetime.max(interval))),
            again: after(interval),
        }
    }
}

/// The set, and how long its server says it is good for.
async fn fetch(http: &HttpClient, url: &str, timeout: Duration) -> Result<(KeySet, Option<Duration>), Error> {
    let got = tokio::time::timeout(timeout, get(http, url)).await;
    let (headers, content) =
        got.map_err(|_| Error::new(ErrorKind::Timeout, format!("no answer within {timeout:?}")))??;
    let keys = KeySet::read(&content).map_err(|error| Error::new(ErrorKind::InvalidArgument, error.to_string()))?;
    Ok((keys, lifetime(&headers)))
}

async fn get(http: &HttpClient, url: &str) -> Result<(HeaderMap, Bytes), Error> {
    let mut uri: Uri = url.parse().map_err(|_| invalid(format!("{url} is not a URL")))?;
    for _ in 0..=MAX_REDIRECTS {
        let request = Request::get(uri.clone()).header(ACCEPT, "application/json, */*").body(empty_body());
        let answer = http.send(request.map_err(|error| invalid(error.to_string()))?).await?;
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::OK {
            return Ok((head.headers, read_body(body, MAX_SET).await?));
        }
        uri = next(&uri, &head)?;
    }
    Err(Error::new(ErrorKind::Unavailable, format!("more than {MAX_REDIRECTS} redirects")))
}

fn next(from: &Uri, head: &Parts) -> Result<Uri, Error> {
    let target = head.headers.get(LOCATION).filter(|_| head.status.is_redirection());
    let Some(target) = target.and_then(|target| target.to_str().ok()) else {
        return Err(Error::new(ErrorKind::Unavailable, format!("the server answered with {}", head.status)));
    };
    redirected(from, target).ok_or_else(|| invalid(format!("the redirect to {target} is not followed")))
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

/// Where a redirect leads; `None` where it would give up TLS, or is neither a URL nor an absolute path.
fn redirected(from: &Uri, target: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let absolute = match target {
        _ if target.starts_with("//") => format!("{scheme}:{target}"),
        _ if target.starts_with('/') => format!("{scheme}://{authority}{target}"),
        _ => target.to_owned(),
    };
    let uri: Uri = absolute.parse().ok()?;
    let allowed = match uri.scheme_str()? {
        "https" => true,
        "http" => scheme == "http",
        _ => false,
    };
    Some(uri).filter(|_| allowed)
}

/// `max-age` of an answer.
fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(','));
    directives.find_map(|directive| {
        let seconds = directive.trim().to_ascii_lowercase().strip_prefix("max-age=")?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_may_not_give_up_tls() {
        let to = |from: &'static str, target| redirected(&Uri::from_static(from), target).map(|uri| uri.to_string());
        assert_eq!(to("https://a/x", "https://b/y").as_deref(), Some("https://b/y"));
        assert_eq!(to("https://a:1/x", "/y?z").as_deref(), Some("https://a:1/y?z"));
        assert_eq!(to("https://a/x", "//b/y").as_deref(), Some("https://b/y"));
        assert_eq!(to("https://a/x", "http://a/y"), None);
        assert_eq!(to("http://a/x", "http://b/y").as_deref(), Some("http://b/y"));
        assert_eq!(to("http://a/x", "file:///etc/passwd"), None);
        assert_eq!(to("http://a/x", "y"), None);
    }

    #[test]
    fn the_servers_lifetime_is_read() {
        let of = |value: &'static str| {
            lifetime(&HeaderMap::from_iter([(CACHE_CONTROL, http::HeaderValue::from_static(value))]))
        };
        assert_eq!(of("public, Max-Age=60"), Some(Duration::from_secs(60)));
        assert_eq!(of("no-store"), None);
        assert_eq!(of("max-age=soon"), None);
    }
}

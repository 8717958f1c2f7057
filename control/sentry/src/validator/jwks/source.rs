//! Where the keys come from: the options themselves, a file that is followed, or a URL that is asked again when a token comes
//! and some time has passed, so that keys can be replaced and withdrawn. The last keys that could be read stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{ACCEPT, HOST, HeaderValue};
use http::{Request, StatusCode, Uri};
use identity::{Watched, watch_files};
use security::tls;
use service::HealthTarget;
use service::dial::Dialer;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;

use super::KeySet;
use super::token::key_name;

const TARGET: &str = "dapr.sentry.identity.jwks";
/// Bytes of a key set from a URL.
const MAX_BYTES: u64 = 1 << 20;
/// Between attempts while there are no keys yet; doubled up to the second.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where keys come from, as the Configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksOptions {
    /// A URL, the path of a file, or the key set itself, which can be in base64.
    pub source: String,
    /// What vouches for the URL's server instead of the system's certificates: PEM text, or the path of a file.
    pub ca_certificate: Option<String>,
    /// How long keys from a URL are used before they are asked for again.
    pub min_refresh_interval: Duration,
    /// How long one request to the URL may take.
    pub request_timeout: Duration,
}

impl Default for JwksOptions {
    fn default() -> Self {
        Self {
            source: String::new(),
            ca_certificate: None,
            min_refresh_interval: Duration::from_secs(10 * 60),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// The keys of this moment.
pub struct KeySource {
    origin: Origin,
    current: watch::Sender<Current>,
    wanted: Notify,
}

enum Origin {
    Options,
    File(PathBuf, Mutex<Watched>),
    Url(Url),
}

#[derive(Clone, Default)]
struct Current {
    keys: Option<Arc<KeySet>>,
    /// When they were asked for last, successfully or not.
    asked: Option<Instant>,
}

impl KeySource {
    /// Finds out what the source is, and reads it unless it is a URL.
    ///
    /// # Errors
    /// A sentence: nothing that keys can come from, or keys that cannot be read.
    pub async fn open(options: &JwksOptions) -> Result<Self, String> {
        let source = options.source.trim();
        let (origin, keys) = if source.is_empty() {
            return Err("jwks validator: the option 'source' must not be empty".to_owned());
        } else if source.starts_with("https://") || source.starts_with("http://") {
            (Origin::Url(Url::new(source, options)?), None)
        } else if tokio::fs::metadata(source).await.is_ok_and(|found| found.is_file()) {
            let path = PathBuf::from(source);
            // Before it is read, so that no change is missed.
            let watched = watch_files([path.as_path()])?;
            let keys = read(&path).await?;
            (Origin::File(path, Mutex::new(watched)), Some(keys))
        } else {
            (Origin::Options, Some(inline(source)?))
        };
        let current = Current { keys: keys.map(Arc::new), asked: None };
        Ok(Self { origin, current: watch::Sender::new(current), wanted: Notify::new() })
    }

    /// The keys to judge a token with; those of a URL are asked for first if the last time is long ago.
    ///
    /// # Errors
    /// When there are none yet.
    pub async fn with_key_of(&self, token: &str) -> Result<Arc<KeySet>, &'static str> {
        let keys = self.current.borrow().keys.clone().ok_or("jwks validator not ready")?;
        let Origin::Url(url) = &self.origin else { return Ok(keys) };
        let mut current = self.current.subscribe();
        let asked = current.borrow_and_update().asked;
        if asked.is_some_and(|asked| asked.elapsed() < url.interval) || key_name(token).is_none() {
            return Ok(keys);
        }
        self.wanted.notify_one();
        // Whoever asks answers within the time of a request.
        let _ = tokio::time::timeout(url.timeout * 2, current.wait_for(|current| current.asked != asked)).await;
        Ok(self.current.borrow().keys.clone().unwrap_or(keys))
    }

    /// Follows the source, for as long as this is polled.
    pub async fn keep(&self, health: &HealthTarget) {
        match &self.origin {
            Origin::Options => {
                health.ready();
                std::future::pending().await
            }
            Origin::File(path, watched) => {
                health.ready();
                self.follow(path, &mut *watched.lock().await).await;
            }
            Origin::Url(url) => {
                self.fetch_first(url).await;
                health.ready();
                loop {
                    self.wanted.notified().await;
                    if let Err(reason) = self.fetch(url).await {
                        tracing::warn!(target: TARGET, "Error while refreshing JWKS cache: {reason}; the last keys stay");
                    }
                }
            }
        }
    }

    async fn follow(&self, path: &Path, watched: &mut Watched) {
        loop {
            watched.changed().await;
            tracing::debug!(target: TARGET, "Reloading JWKS file from disk");
            match read(path).await {
                Ok(keys) => self.publish(Some(keys)),
                Err(reason) => {
                    tracing::error!(target: TARGET, "Error reading JWKS from disk: {reason}; the last keys stay")
                }
            }
        }
    }

    async fn fetch_first(&self, url: &Url) {
        let mut pause = FIRST_PAUSE;
        while let Err(reason) = self.fetch(url).await {
            tracing::error!(
                target: TARGET,
                "failed to fetch JWKS: {reason}; trying again in {} seconds, until then no token is accepted",
                pause.as_secs()
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn fetch(&self, url: &Url) -> Result<(), String> {
        let late = |_| format!("no answer within {} seconds", url.timeout.as_secs_f64());
        let fetched = tokio::time::timeout(url.timeout, url.fetch()).await.map_err(late).flatten();
        match fetched {
            Ok(keys) => {
                self.publish(Some(keys));
                Ok(())
            }
            Err(reason) => {
                self.publish(None);
                Err(reason)
            }
        }
    }

    fn publish(&self, keys: Option<KeySet>) {
        self.current.send_modify(|current| {
            current.asked = Some(Instant::now());
            if let Some(keys) = keys {
                current.keys = Some(Arc::new(keys));
            }
        });
    }
}

async fn read(path: &Path) -> Result<KeySet, String> {
    let text = tokio::fs::read(path).await;
    let text = text.map_err(|error| format!("failed to read JWKS file '{}': {error}", path.display()))?;
    KeySet::parse(&text).map_err(|error| format!("failed to parse JWKS file '{}': {error}", path.display()))
}

fn inline(source: &str) -> Result<KeySet, String> {
    // Bits that are left over may be anything, as in the target.
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let decoded = GeneralPurpose::new(&STANDARD, LENIENT).decode(source.trim_end_matches('='));
    let text = decoded.unwrap_or_else(|_| source.as_bytes().to_vec());
    KeySet::parse(&text).map_err(|_| {
        "jwks validator: failed to parse property 'source': not a URL, path to local file, or JSON value (optionally \
         base64-encoded)"
            .to_owned()
    })
}

/// A URL that is asked for keys.
struct Url {
    uri: Uri,
    dialer: Dialer,
    interval: Duration,
    timeout: Duration,
}

impl Url {
    fn new(source: &str, options: &JwksOptions) -> Result<Self, String> {
        let wrong = |reason: &str| format!("jwks validator: the source '{source}' {reason}");
        let uri: Uri = source.parse().map_err(|error| wrong(&format!("is not a URL: {error}")))?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        if authority.ok_or_else(|| wrong("names no host"))?.as_str().contains('@') {
            return Err(wrong("must not hold a user name or password"));
        }
        if uri.scheme_str() == Some("http") {
            tracing::warn!(
                target: TARGET,
                "Loading JWK from an HTTP endpoint without TLS: this is not recommended on production environments."
            );
        }
        let roots = options.ca_certificate.as_deref().map(certificates).transpose()?;
        let protocols: &[&[u8]] = &[b"http/1.1"];
        let dialer = match roots {
            Some(pem) => {
                let config = tls::with_material(Some(&pem), None, protocols)
                    .map_err(|error| format!("jwks validator: the option 'caCertificate' cannot be used: {error}"))?;
                Dialer::with_tls(move || Ok(Arc::clone(&config)))
            }
            None => Dialer::with_tls(move || tls::with_system_roots(protocols).map_err(std::io::Error::other)),
        };
        Ok(Self { uri, dialer, interval: options.min_refresh_interval, timeout: options.request_timeout })
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let secure = self.uri.scheme_str() == Some("https");
        let port = self.uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let (host, authority) = (self.uri.host().unwrap_or_default(), self.uri.authority());
        let stream = self.dialer.connect(host, port, secure).await.map_err(|error| told(&error))?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let named = authority.map(http::uri::Authority::as_str).unwrap_or_default();
        let request = Request::get(path)
            .header(HOST, named)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(service::body::empty())
            .map_err(|error| told(&error))?;
        let answer = service::call_once(stream, request, MAX_BYTES).await.map_err(|error| told(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the server answered {} (redirects are not followed)", answer.status()));
        }
        KeySet::parse(answer.body())
    }
}

fn certificates(given: &str) -> Result<String, String> {
    if given.contains("-----BEGIN ") {
        return Ok(given.to_owned());
    }
    std::fs::read_to_string(given).map_err(|error| {
        format!("jwks validator: failed to load CA certificate: value is neither a valid file path or nor a valid PEM-encoded string: {error}")
    })
}

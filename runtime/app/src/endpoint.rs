//! HTTP servers outside the fleet that are called by name (HTTPEndpoint resources) or by URL.
//!
//! The app's own token is never sent to them. A name is resolved to its endpoint once, at load.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::uri::{Authority, Scheme};
use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use call::{Answer, Call, Failure};
use foldhash::fast::RandomState;
use loaded::Pipeline;
use service::dial::Dialer;
use service::{Body, Tasks};
use telemetry::Metrics;
use telemetry::metrics::HttpClient;

use crate::http::{Fixed, HttpChannel, Target};

/// An endpoint as its resource describes it, secrets resolved.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// The name that calls use.
    pub name: String,
    /// `http(s)://host[:port][/path]`.
    pub base_url: String,
    /// Headers set on every call, over those of the caller.
    pub headers: Vec<(String, String)>,
    /// Root certificates to trust instead of the system's, PEM.
    pub root_certificates: Option<String>,
    /// Client certificate chain, PEM.
    pub certificate: Option<String>,
    /// Its private key, PEM.
    pub private_key: Option<String>,
}

/// Why an endpoint cannot be used.
#[derive(Debug)]
pub struct EndpointError {
    name: String,
    reason: String,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HTTP endpoint {}: {}", self.name, self.reason)
    }
}

impl std::error::Error for EndpointError {}

struct Known {
    channel: Arc<HttpChannel>,
    headers: Fixed,
}

/// The endpoints of this sidecar.
pub struct Endpoints {
    named: HashMap<String, Known, RandomState>,
    by_url: Mutex<HashMap<(Scheme, Authority), Arc<HttpChannel>>>,
    dialer: Dialer,
    settings: EndpointSettings,
    counts: Arc<HttpClient>,
}

/// What all endpoints of a sidecar have in common.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// Largest header section of an answer, bytes (`--read-buffer-size`).
    pub max_headers: usize,
    /// What calls pass on their way to an endpoint: that of calls to the app, as in the target.
    pub pipeline: Option<Pipeline>,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Where connections are driven.
    pub tasks: Tasks,
}

/// Hosts called by URL whose clients are kept at the same time.
const MAX_URL_CLIENTS: usize = 256;

impl Endpoints {
    /// Prepares every endpoint. Nothing is connected yet; system certificates are read at the first TLS connection.
    ///
    /// # Errors
    /// One that names the endpoint with a bad URL, header or certificate.
    pub fn new(endpoints: &[Endpoint], settings: EndpointSettings) -> Result<Self, EndpointError> {
        let dialer = Dialer::with_tls(|| {
            security::tls::with_system_roots(&[b"h2", b"http/1.1"])
                .map_err(|error| std::io::Error::other(error.to_string()))
        });
        let counts = Arc::new(HttpClient::new(&settings.metrics));
        let mut named = HashMap::default();
        for endpoint in endpoints {
            let failed = |reason: String| EndpointError { name: endpoint.name.clone(), reason };
            let known = Known {
                channel: Arc::new(channel(endpoint, &dialer, &settings).map_err(failed)?.counted(Arc::clone(&counts))),
                headers: Arc::new(headers(endpoint).map_err(failed)?),
            };
            named.insert(endpoint.name.clone(), known);
        }
        Ok(Self { named, by_url: Mutex::default(), dialer, settings, counts })
    }

    /// Whether an endpoint of this name is known.
    pub fn contains(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.named.keys().cloned().collect();
        names.sort();
        names
    }

    /// Calls an endpoint by its name or by an `http(s)://` URL.
    ///
    /// # Errors
    /// When it is not known, or cannot be reached.
    pub async fn invoke(&self, target: &str, call: &mut Call) -> Result<Answer, Failure> {
        if let Some(known) = self.named.get(target) {
            return known.channel.invoke_with(call, None, &known.headers).await;
        }
        let base = parse(target).map_err(Failure::plain)?;
        if let Cow::Owned(method) = below(&base, &call.method) {
            call.method = method;
        }
        self.url_client(base).invoke(call, None).await
    }

    /// Passes a request on to an endpoint or URL as it is: to a method, which is canonical.
    ///
    /// # Errors
    /// When the target is not known, or cannot be reached.
    pub async fn pass(
        &self,
        target: &str,
        method: &str,
        request: &mut Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        if let Some(known) = self.named.get(target) {
            return known.channel.pass(request, method, &known.headers).await;
        }
        Box::pin(self.pass_to_url(target, method, request)).await
    }

    async fn pass_to_url(
        &self,
        url: &str,
        method: &str,
        request: &mut Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let base = parse(url).map_err(Failure::plain)?;
        let method = below(&base, method);
        self.url_client(base).pass(request, &method, &HeaderMap::new()).await
    }

    fn url_client(&self, base: Target) -> Arc<HttpChannel> {
        let mut clients = self.by_url.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (base.scheme.clone(), base.authority.clone());
        if let Some(client) = clients.get(&key) {
            return Arc::clone(client);
        }
        if clients.len() >= MAX_URL_CLIENTS {
            clients.clear();
        }
        let target = Target { prefix: String::new(), ..base };
        let client = self.settings.channel(self.dialer.clone(), target).counted(Arc::clone(&self.counts));
        let client = Arc::new(client);
        clients.insert(key, Arc::clone(&client));
        client
    }
}

impl EndpointSettings {
    fn channel(&self, dialer: Dialer, target: Target) -> HttpChannel {
        HttpChannel::new(dialer, target, false, self.max_headers, &self.tasks).behind(self.pipeline.clone())
    }
}

/// A method below the path of a URL.
fn below<'a>(base: &Target, method: &'a str) -> Cow<'a, str> {
    if base.prefix.is_empty() {
        return Cow::Borrowed(method);
    }
    Cow::Owned(format!("{}/{}", base.prefix, method.trim_start_matches('/')))
}

fn parse(url: &str) -> Result<Target, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{url:?} is not a URL: {error}"))?;
    let scheme = uri.scheme().cloned().ok_or_else(|| format!("{url:?} has no scheme"))?;
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(format!("{url:?} is not an http or https URL"));
    }
    let authority = uri.authority().cloned().ok_or_else(|| format!("{url:?} has no host"))?;
    if authority.as_str().contains('@') {
        return Err(format!("{url:?} carries a user name; use headers instead"));
    }
    Ok(Target { scheme, authority, prefix: uri.path().trim_end_matches('/').to_owned() })
}

fn channel(endpoint: &Endpoint, system: &Dialer, settings: &EndpointSettings) -> Result<HttpChannel, String> {
    let target = parse(&endpoint.base_url)?;
    let own = endpoint.root_certificates.is_some() || endpoint.certificate.is_some() || endpoint.private_key.is_some();
    let dialer = if own {
        let config = security::tls::with_material(
            endpoint.root_certificates.as_deref(),
            endpoint.certificate.as_deref().zip(endpoint.private_key.as_deref()),
            &[b"h2", b"http/1.1"],
        )
        .map_err(|error| error.to_string())?;
        Dialer::with_tls(move || Ok(Arc::clone(&config)))
    } else {
        system.clone()
    };
    Ok(settings.channel(dialer, target))
}

fn headers(endpoint: &Endpoint) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &endpoint.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a header name"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of header {name} is not legal"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_keeps_its_path_and_refuses_credentials() {
        let target = parse("https://example.com:8443/base/").unwrap();
        assert_eq!(target.prefix, "/base");
        assert_eq!(target.authority.as_str(), "example.com:8443");
        assert!(parse("https://user@example.com").is_err());
        assert!(parse("ftp://example.com").is_err());
        assert!(parse("example.com").is_err());
    }
}

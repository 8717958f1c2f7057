//! `middleware.http.ratelimit`: a bucket of tokens per client address and path. The table of buckets is bounded.

mod buckets;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use component::http::HttpBody;
use component::middleware::{HttpMiddleware, Next, RemoteAddress};
use component::{Backend, Constructing, Error, ErrorKind, Settings, Setup};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::time::Instant;

use crate::{answer, pattern};
use buckets::Buckets;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// The client of a request that comes from nowhere, as in the target.
const NOBODY: &str = "0.0.0.0";

/// The metadata of `middleware.http.ratelimit`.
#[derive(Settings)]
pub(crate) struct RateLimitSettings {
    /// How many requests a second one client may make of one path. Fractions are allowed.
    #[setting(default = "100")]
    max_requests_per_second: f64,
}

struct RateLimit {
    rate: f64,
    buckets: Mutex<Buckets>,
}

/// Reads the rate.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn HttpMiddleware> {
    Box::pin(async move {
        let rate = RateLimitSettings::parse(&setup.properties)?.max_requests_per_second;
        if !(rate > 0.0 && rate.is_finite()) {
            let message = "metadata property maxRequestsPerSecond must be a positive value";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let middleware: Arc<dyn HttpMiddleware> = Arc::new(RateLimit { rate, buckets: Mutex::new(Buckets::new(rate)) });
        Ok(middleware)
    })
}

impl Backend for RateLimit {}

#[async_trait]
impl HttpMiddleware for RateLimit {
    async fn handle(&self, request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        let mut request = request;
        let remote = request.extensions().get::<RemoteAddress>().map(|RemoteAddress(address)| *address);
        let client = client(request.headers(), remote.map(|address| address.ip()));
        let client = client.unwrap_or_else(|| {
            request.headers_mut().insert(FORWARDED_FOR, HeaderValue::from_static(NOBODY));
            NOBODY.to_owned()
        });
        let forwarded = first(request.headers(), &FORWARDED_FOR).filter(|value| !value.trim().is_empty());
        let told = Told {
            rate: self.rate,
            forwarded: forwarded.map(str::to_owned),
            remote: remote.map(|address| address.to_string()).unwrap_or_default(),
        };
        let key = format!("{client}|{}", pattern::decode(request.uri().path()));
        let taken = self.buckets.lock().unwrap_or_else(PoisonError::into_inner).take(&key, Instant::now());
        let (mut response, left) = match taken {
            Some(left) => (next.run(request).await, left),
            None => (answer::text(StatusCode::TOO_MANY_REQUESTS, "You have reached maximum request limit."), 0),
        };
        told.write(left, response.headers_mut());
        response
    }
}

/// What every answer says about the limit.
struct Told {
    rate: f64,
    forwarded: Option<String>,
    remote: String,
}

impl Told {
    fn write(&self, left: u64, headers: &mut HeaderMap) {
        let mut add = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        };
        add("x-rate-limit-limit", &format!("{:.2}", self.rate));
        add("x-rate-limit-duration", "1");
        if let Some(forwarded) = &self.forwarded {
            add("x-rate-limit-request-forwarded-for", forwarded);
        }
        add("x-rate-limit-request-remote-addr", &self.remote);
        add("ratelimit-limit", &format!("{:.0}", self.rate.round()));
        add("ratelimit-reset", "1");
        add("ratelimit-remaining", &left.to_string());
    }
}

/// Whose request it is: the last address of `X-Forwarded-For`, `X-Real-IP`, or the other end of the connection; `None`
/// where none of them says anything.
fn client(headers: &HeaderMap, remote: Option<IpAddr>) -> Option<String> {
    let forwarded = first(headers, &FORWARDED_FOR).filter(|value| !value.is_empty());
    let named = forwarded.and_then(|list| list.rsplit(',').next()).map(str::trim);
    let named = named.or_else(|| first(headers, &REAL_IP).filter(|value| !value.is_empty()));
    match (named, remote) {
        (Some(named), _) => Some(canonical(named)).filter(|named| !named.is_empty()),
        (None, Some(remote)) => Some(canonical(&remote.to_string())),
        (None, None) => None,
    }
}

/// The network of an IPv6 address (its first 64 bits); anything else as it is.
fn canonical(address: &str) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(parsed) if !address.contains('.') => {
            Ipv6Addr::from_bits(parsed.to_bits() & !u128::from(u64::MAX)).to_string()
        }
        _ => address.to_owned(),
    }
}

fn first<'headers>(headers: &'headers HeaderMap, name: &HeaderName) -> Option<&'headers str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(pairs: &[(&'static str, &str)], remote: Option<&str>) -> Option<String> {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        client(&headers, remote.map(|address| address.parse().unwrap()))
    }

    #[test]
    fn the_client_is_found_as_the_target_finds_it() {
        let forwarded = ("x-forwarded-for", "1.1.1.1, 2.2.2.2");
        assert_eq!(client_of(&[forwarded, ("x-real-ip", "3.3.3.3")], Some("4.4.4.4")).unwrap(), "2.2.2.2");
        assert_eq!(client_of(&[("x-real-ip", "3.3.3.3")], Some("4.4.4.4")).unwrap(), "3.3.3.3");
        assert_eq!(client_of(&[], Some("4.4.4.4")).unwrap(), "4.4.4.4");
        assert_eq!(client_of(&[], None), None);
        assert_eq!(client_of(&[("x-forwarded-for", "1.1.1.1,")], None), None);
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        assert_eq!(canonical("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(canonical("::1"), "::");
        assert_eq!(canonical("::ffff:1.2.3.4"), "::ffff:1.2.3.4");
        assert_eq!(canonical("somebody"), "somebody");
    }
}

//! Cross-origin requests (`--allowed-origins`): off unless asked for. Follows the target: `*` allows everything, else the
//! listed origins with the usual methods and any header.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use service::Body;

const METHODS: [Method; 6] = [Method::HEAD, Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Which origins may use the API from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Every origin.
    Any,
    /// These; one `*` in an origin stands for any text.
    Origins(Vec<String>),
}

impl Cors {
    /// Reads the flag: empty is off.
    pub fn parse(flag: &str) -> Option<Self> {
        match flag {
            "" => None,
            "*" => Some(Self::Any),
            list => Some(Self::Origins(list.split(',').map(|origin| origin.trim().to_ascii_lowercase()).collect())),
        }
    }

    fn allows(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        match self {
            Self::Any => true,
            Self::Origins(origins) => origins.iter().any(|allowed| match allowed.split_once('*') {
                Some((before, after)) => {
                    origin.len() >= before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
                }
                None => *allowed == origin,
            }),
        }
    }

    /// The answer to a preflight; `None` for every other request.
    pub(crate) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = Response::new(service::body::empty());
        let answer = response.headers_mut();
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        answer.append(VARY, HeaderValue::from_static(vary));
        let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let known = METHODS.iter().chain([&Method::OPTIONS]).any(|own| own.as_str().as_bytes() == method.as_bytes());
        let Some(origin) = headers.get(ORIGIN).filter(|origin| self.allows_value(origin)) else {
            return Some(response);
        };
        if !known {
            return Some(response);
        }
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.allowed_origin(origin));
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| !asked.is_empty()) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        Some(response)
    }

    fn allows_value(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.allows(origin))
    }

    fn allowed_origin(&self, origin: &HeaderValue) -> HeaderValue {
        if *self == Self::Any { HeaderValue::from_static("*") } else { origin.clone() }
    }

    /// The headers of an actual answer.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin.filter(|origin| self.allows_value(origin)) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.allowed_origin(origin));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_are_allowed() {
        let cors = Cors::parse("https://a.example, https://*.b.example").unwrap();
        assert!(cors.allows("https://A.example"));
        assert!(cors.allows("https://x.b.example"));
        assert!(!cors.allows("https://b.example.evil"));
        assert_eq!(Cors::parse(""), None);
        assert!(Cors::parse("*").unwrap().allows("null"));
    }
}

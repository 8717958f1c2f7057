//! How headers change shape between HTTP, gRPC and the wire between sidecars.
//!
//! Rules of the target (`pkg/messaging/v1`), with two deliberate differences: hop-by-hop headers are dropped by the sending
//! sidecar too, and a value that is not a legal header is refused instead of failing in the client library.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST};
use http::{HeaderMap, HeaderName};

use crate::metadata::{Metadata, Value, Values};
use crate::names;

/// Padding is optional in gRPC metadata.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_encode_padding(false),
);

const TRACE_HEADERS: [&str; 3] = ["traceparent", "tracestate", "grpc-trace-bin"];
const DESTINATION: &str = "destination-app-id";

/// Names that gRPC libraries own; they are never taken from or given to an app as metadata.
const GRPC_RESERVED: [&str; 8] = [
    "content-type",
    "user-agent",
    "grpc-message-type",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-timeout",
    "te",
];

/// Permanent HTTP headers that get the `dapr-` prefix on their way from an HTTP caller to a gRPC app. The target compares
/// the canonical spelling.
const PERMANENT: [&str; 28] = [
    "Accept",
    "Accept-Charset",
    "Accept-Language",
    "Accept-Ranges",
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Transfer-Encoding",
    "Upgrade",
    "Cache-Control",
    "Content-Type",
    "Content-Length",
    "Cookie",
    "Date",
    "Expect",
    "From",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Schedule-Tag-Match",
    "If-Unmodified-Since",
    "Max-Forwards",
    "Origin",
    "Pragma",
    "Referer",
    "Via",
    "Warning",
];

/// A header that cannot be written to the app: its name or value is not legal (CR, LF, NUL, ...).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHeader {
    /// The name as the caller sent it.
    pub name: String,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "header {:?} has a name or value that HTTP does not allow", self.name)
    }
}

impl std::error::Error for InvalidHeader {}

/// Headers of an HTTP request or response as metadata: canonical names, without `Host` and what belongs to one hop.
pub fn from_http_headers(headers: &HeaderMap) -> Metadata {
    let nominated = security::headers::nominated(headers);
    let mut metadata = Metadata::with_capacity(headers.keys_len() + 4);
    // Values of one name come one after the other, each with the very same name.
    let mut last: Option<(&HeaderName, bool)> = None;
    for (name, value) in headers {
        if let Some((known, is_kept)) = last
            && std::ptr::eq(known, name)
        {
            if is_kept && let Some(values) = metadata.last_mut() {
                values.push(value.into());
            }
            continue;
        }
        let is_kept = name != HOST
            && !security::headers::is_hop_by_hop(name.as_str())
            && !nominated.iter().any(|nominated| nominated == name.as_str());
        last = Some((name, is_kept));
        if is_kept {
            metadata.push(names::canonical(name.as_str()), Values::from_buf([value.into()]));
        }
    }
    if headers.contains_key(COOKIE)
        && let Some(values) = metadata.get_mut("Cookie").filter(|values| values.len() > 1)
    {
        let pairs: Vec<&str> = values.iter().map(Value::as_str).collect();
        *values = Values::from_buf([pairs.join("; ").into()]);
    }
    metadata
}

/// Headers of a gRPC request or response as metadata: lower-case names, binary values as base64, `:authority` and
/// `user-agent` kept, what gRPC itself owns left out.
pub fn from_grpc_headers(headers: &HeaderMap, authority: Option<&str>) -> Metadata {
    let mut metadata = Metadata::with_capacity(headers.keys_len() + 4);
    for name in headers.keys() {
        let key = name.as_str();
        let kept = key == "user-agent" || key == "content-type" || !GRPC_RESERVED.contains(&key);
        if !kept || *name == HOST || security::headers::is_hop_by_hop(key) || key == "grpc-status-details-bin" {
            continue;
        }
        let values = if key.ends_with("-bin") {
            let decoded = headers.get_all(name).iter().flat_map(|value| {
                value
                    .as_bytes()
                    .split(|byte| *byte == b',')
                    .filter_map(|part| LENIENT.decode(part.trim_ascii()).ok())
                    .collect::<Vec<_>>()
            });
            decoded.map(|bytes| STANDARD.encode(bytes).into()).collect()
        } else {
            headers.get_all(name).iter().map(Value::from).collect()
        };
        metadata.push(names::kept(key), values);
    }
    if let Some(authority) = authority {
        metadata.append(":authority", authority);
    }
    metadata
}

fn nominated_names(metadata: &Metadata) -> Vec<String> {
    let values = metadata.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    values
        .flat_map(|(_, values)| values.iter())
        .flat_map(|value| value.as_str().split(','))
        .map(|token| token.trim().to_ascii_lowercase())
        .filter(|token| !token.is_empty())
        .collect()
}

/// A name as HTTP has it, in lower case.
fn header_name(original: &str, name: &str) -> Result<HeaderName, InvalidHeader> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidHeader { name: original.to_owned() })
}

fn append(headers: &mut HeaderMap, original: &str, name: &HeaderName, value: &Value) -> Result<(), InvalidHeader> {
    let refused = || InvalidHeader { name: original.to_owned() };
    let value = value.to_header().map_err(|_| refused())?;
    // There is an end to how many names a request may have.
    headers.try_append(name.clone(), value).map_err(|_| refused())?;
    Ok(())
}

/// Adds `metadata` to HTTP headers, without content-type and content-length (which follow the body), trace headers
/// (which follow the span) and everything that belongs to one hop.
///
/// # Errors
/// When a name or value is not legal in HTTP.
pub fn to_http_headers(metadata: &Metadata, headers: &mut HeaderMap) -> Result<(), InvalidHeader> {
    let nominated = nominated_names(metadata);
    // Where there is no room for so many, adding them says so.
    let _ = headers.try_reserve(metadata.len());
    for (original, values) in metadata.iter() {
        // What HTTP/2 calls the target of a request is no legal name.
        let name = match original.strip_prefix(':') {
            Some(rest @ ("method" | "scheme" | "path" | "authority")) => {
                header_name(original, &format!("dapr-{rest}"))?
            }
            _ if is_skipped(original, &nominated) => continue,
            _ => header_name(original, original)?,
        };
        if name.as_str() == "baggage" {
            if let Some(value) = values.first() {
                append(headers, original, &name, value)?;
            }
            continue;
        }
        let name = if name.as_str().starts_with("grpc-") {
            header_name(original, &format!("dapr-{}", name.as_str()))?
        } else {
            name
        };
        for value in values {
            append(headers, original, &name, value)?;
        }
    }
    Ok(())
}

/// Whether a header of this name, in any case, is not for an HTTP app.
fn is_skipped(name: &str, nominated: &[String]) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let is_binary = name.len() >= 4 && name.get(name.len() - 4..).is_some_and(|end| end.eq_ignore_ascii_case("-bin"));
    is_binary
        || TRACE_HEADERS.iter().any(|own| is(own))
        || is(DESTINATION)
        || is(CONTENT_TYPE.as_str())
        || is(CONTENT_LENGTH.as_str())
        || security::headers::is_hop_by_hop(name)
        || nominated.iter().any(|nominated| is(nominated))
}

/// Adds `metadata` to the headers of a gRPC request to an app.
///
/// # Errors
/// When a name or value is not legal in HTTP/2.
pub fn to_grpc_headers(metadata: &Metadata, headers: &mut HeaderMap) -> Result<(), InvalidHeader> {
    to_grpc(metadata, true, headers)
}

/// Adds an answer's headers (`prefix_http`) or trailers to those of a gRPC `InvokeService` response.
///
/// # Errors
/// When a name or value is not legal in HTTP/2.
pub fn to_invoke_service_headers(
    metadata: &Metadata,
    prefix_http: bool,
    headers: &mut HeaderMap,
) -> Result<(), InvalidHeader> {
    to_grpc(metadata, prefix_http, headers)
}

fn to_grpc(metadata: &Metadata, prefix_http: bool, headers: &mut HeaderMap) -> Result<(), InvalidHeader> {
    let nominated = nominated_names(metadata);
    for (original, values) in metadata.iter() {
        let lower = original.to_ascii_lowercase();
        if TRACE_HEADERS.contains(&lower.as_str()) || lower == DESTINATION || nominated.contains(&lower) {
            continue;
        }
        if security::headers::is_hop_by_hop(&lower) || lower == ":authority" {
            continue;
        }
        let prefixed = prefix_http && PERMANENT.contains(&original);
        let name = if prefixed { format!("dapr-{lower}") } else { lower };
        // What the next gRPC client can unpack is its own to say.
        if GRPC_RESERVED.contains(&name.as_str()) || name.starts_with(':') || name == "grpc-accept-encoding" {
            continue;
        }
        let is_binary = name.ends_with("-bin");
        let name = header_name(original, &name)?;
        for value in values {
            if is_binary {
                let Ok(bytes) = STANDARD.decode(value.as_str()) else { continue };
                append(headers, original, &name, &LENIENT.encode(bytes).into())?;
            } else {
                append(headers, original, &name, value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn metadata(pairs: &[(&'static str, &str)]) -> Metadata {
        pairs.iter().copied().collect()
    }

    #[test]
    fn http_headers_keep_go_spelling_and_repeats() {
        let mut headers = HeaderMap::new();
        headers.append("x-many", HeaderValue::from_static("1"));
        headers.append("x-many", HeaderValue::from_static("2"));
        headers.append("host", HeaderValue::from_static("h"));
        headers.append("connection", HeaderValue::from_static("close, x-secret"));
        headers.append("x-secret", HeaderValue::from_static("s"));
        let metadata = from_http_headers(&headers);
        assert_eq!(metadata.len(), 1);
        assert_eq!(metadata.get("X-Many").unwrap().as_slice(), ["1", "2"]);
    }

    #[test]
    fn hop_by_hop_and_nominated_headers_never_reach_the_app() {
        let mut headers = HeaderMap::new();
        let given = metadata(&[
            ("Connection", "X-One"),
            ("X-One", "1"),
            ("Te", "trailers"),
            ("X-Two", "2"),
            ("Content-Length", "9"),
            ("x-bin", "AA=="),
            ("destination-app-id", "b"),
        ]);
        to_http_headers(&given, &mut headers).unwrap();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["x-two"], "2");
    }

    #[test]
    fn grpc_pseudo_headers_get_the_prefix_toward_http() {
        let mut headers = HeaderMap::new();
        to_http_headers(&metadata(&[(":authority", "a:1"), ("grpc-accept-encoding", "gzip")]), &mut headers).unwrap();
        assert_eq!(headers["dapr-authority"], "a:1");
        assert_eq!(headers["dapr-grpc-accept-encoding"], "gzip");
    }

    #[test]
    fn permanent_http_headers_get_the_prefix_toward_grpc() {
        let mut headers = HeaderMap::new();
        to_grpc_headers(
            &metadata(&[("Accept", "a"), ("accept", "b"), ("X-A", "1"), ("user-agent", "u")]),
            &mut headers,
        )
        .unwrap();
        assert_eq!(headers["dapr-accept"], "a");
        assert_eq!(headers["accept"], "b");
        assert_eq!(headers["x-a"], "1");
        assert!(!headers.contains_key("user-agent"));
    }

    #[test]
    fn binary_metadata_survives_both_ways() {
        let mut headers = HeaderMap::new();
        headers.append("key-bin", HeaderValue::from_static("AAEC/w"));
        let metadata = from_grpc_headers(&headers, Some("x"));
        assert_eq!(metadata.get("key-bin").unwrap().as_slice(), ["AAEC/w=="]);
        let mut back = HeaderMap::new();
        to_grpc_headers(&metadata, &mut back).unwrap();
        assert_eq!(back["key-bin"], "AAEC/w");
    }

    #[test]
    fn a_line_break_in_a_value_is_refused() {
        let mut headers = HeaderMap::new();
        let refused = to_http_headers(&metadata(&[("X-A", "1\r\nX-B: 2")]), &mut headers).unwrap_err();
        assert_eq!(refused.name, "X-A");
    }
}

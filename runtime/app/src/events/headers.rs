//! What the broker says about a message, as headers of the call to the app. Called by the HTTP and gRPC deliveries.
//!
//! Metadata comes from whoever published the message: it never frames the call, never names a caller, never carries a token,
//! and what is not a legal header is left out, so that one message cannot make itself undeliverable.

use std::collections::BTreeMap;

use ::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What apps find the name of the component under, as in the target.
pub(super) const PUBSUB_NAME: &str = "pubsubName";

/// Ours to say, never a message's: how the call is framed, where it stands in its trace, who calls and with which token.
const OWN: [HeaderName; 17] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    ACCEPT_ENCODING,
    EXPECT,
    HOST,
    security::token::HEADER,
    telemetry::trace::TRACEPARENT,
    telemetry::trace::TRACESTATE,
    telemetry::trace::GRPC_TRACE_BIN,
    HeaderName::from_static("destination-app-id"),
    HeaderName::from_static("dapr-app-id"),
    HeaderName::from_static("dapr-caller-app-id"),
    HeaderName::from_static("dapr-caller-namespace"),
    HeaderName::from_static("dapr-callee-app-id"),
    HeaderName::from_static("x-dapr-remote"),
    HeaderName::from_static("dapr-reentrancy-id"),
];

/// Names that gRPC libraries own.
const OF_GRPC: [&str; 8] = [
    "user-agent",
    "grpc-message-type",
    "grpc-encoding",
    "grpc-accept-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-timeout",
    "grpc-status-details-bin",
];

/// The metadata as an HTTP app sees it. Pseudo-headers and those of gRPC get a prefix, binary ones are left out, as in the
/// target.
pub(super) fn http(pubsub: &str, metadata: &BTreeMap<String, String>) -> HeaderMap {
    build(pubsub, metadata, |name, value| {
        if name.ends_with("-bin") {
            return None;
        }
        let prefixed = match name {
            ":method" | ":scheme" | ":path" | ":authority" => format!("dapr-{}", name.trim_start_matches(':')),
            name if name.starts_with("grpc-") => format!("dapr-{name}"),
            name => name.to_owned(),
        };
        Some((prefixed, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    })
}

/// The metadata as a gRPC app sees it; binary values are packed as gRPC packs them.
pub(super) fn grpc(pubsub: &str, metadata: &BTreeMap<String, String>) -> HeaderMap {
    build(pubsub, metadata, |name, value| {
        if OF_GRPC.contains(&name) || name.starts_with(':') {
            return None;
        }
        let value = if name.ends_with("-bin") {
            HeaderValue::from_str(&STANDARD_NO_PAD.encode(value)).ok()?
        } else if value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            HeaderValue::from_str(value).ok()?
        } else {
            return None;
        };
        Some((name.to_owned(), value))
    })
}

fn build(
    pubsub: &str,
    metadata: &BTreeMap<String, String>,
    shape: impl Fn(&str, &str) -> Option<(String, HeaderValue)>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let given = metadata.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(PUBSUB_NAME));
    let own = std::iter::once((PUBSUB_NAME, pubsub));
    for (name, value) in given.map(|(name, value)| (name.as_str(), value.as_str())).chain(own) {
        let lower = name.to_ascii_lowercase();
        if OWN.iter().any(|own| *own == *lower) || security::headers::is_hop_by_hop(&lower) {
            continue;
        }
        let legal = shape(&lower, value).and_then(|(name, value)| Some((name.parse::<HeaderName>().ok()?, value)));
        // A map that is full takes no more; a message has no use for tens of thousands of headers.
        let kept = legal.is_some_and(|(name, value)| headers.try_append(name, value).is_ok());
        if !kept {
            tracing::debug!(
                target: "dapr.runtime.processor.pubsub.subscription",
                "metadata {name:?} of a message of {pubsub} cannot be a header; it is left out"
            );
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn metadata_never_frames_the_call_or_names_its_caller() {
        let given = metadata(&[
            ("Content-Length", "3"),
            ("content-type", "text/plain"),
            ("Transfer-Encoding", "chunked"),
            ("HOST", "elsewhere"),
            ("Dapr-Api-Token", "stolen"),
            ("dapr-caller-app-id", "admin"),
            ("traceparent", "00-1-2-3"),
            ("te", "trailers"),
            ("Connection", "close"),
            ("Expect", "100-continue"),
            ("pubsubname", "another"),
            ("Tenant", "blue"),
        ]);
        for headers in [http("broker", &given), grpc("broker", &given)] {
            assert_eq!(headers.len(), 2, "{headers:?}");
            assert_eq!(headers["tenant"], "blue");
            assert_eq!(headers["pubsubname"], "broker");
        }
    }

    #[test]
    fn what_is_not_a_legal_header_is_left_out_and_the_rest_stays() {
        let given = metadata(&[
            ("a", "1\r\nx-injected: yes"),
            ("b\r\nx-injected", "1"),
            ("c d", "1"),
            ("", "1"),
            ("e", "\0"),
            ("f", "kept"),
        ]);
        for headers in [http("broker", &given), grpc("broker", &given)] {
            assert_eq!(headers.len(), 2, "{headers:?}");
            assert_eq!(headers["f"], "kept");
        }
    }

    #[test]
    fn more_metadata_than_headers_can_be_is_cut() {
        let given = (0..40_000).map(|at| (format!("x-{at}"), String::new())).collect();
        assert!(http("broker", &given).len() > 10_000);
    }

    #[test]
    fn names_of_grpc_keep_apart_from_those_of_the_call() {
        let given = metadata(&[(":path", "/x"), ("grpc-status", "13"), ("key-bin", "\u{1}")]);
        let headers = http("broker", &given);
        assert_eq!(
            (&headers["dapr-path"], &headers["dapr-grpc-status"]),
            (&"/x".parse().unwrap(), &"13".parse().unwrap())
        );
        assert!(!headers.contains_key("key-bin"));
        let headers = grpc("broker", &given);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["key-bin"], "AQ");
    }
}

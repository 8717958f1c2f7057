//! Headers of an HTTP message that goes on over HTTP, changed where they stand: what [`from_http_headers`](crate::from_http_headers)
//! and [`to_http_headers`](crate::to_http_headers) make of them, without the detour. Called for calls to servers outside. It must
//! leave alone what needs more than leaving out.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

/// What becomes of a header.
enum Fate {
    Kept,
    Left,
    /// It does not go on as it is.
    Changed,
}

/// Leaves out what belongs to one hop, what follows body and span, and `own` names. Where something else would have to change, says
/// false and changes nothing. `drops_trace`: where the message stands in its trace is said anew.
pub fn pass_on(headers: &mut HeaderMap, own: &[&str], drops_trace: bool) -> bool {
    let mut left: SmallVec<[HeaderName; 6]> = SmallVec::new();
    // Values of one name come one after the other, each with the very same name.
    let mut last: Option<&HeaderName> = None;
    for (name, value) in &*headers {
        let is_repeated = last.is_some_and(|last| std::ptr::eq(last, name));
        match fate((name, value), is_repeated, own, drops_trace) {
            Fate::Kept => {}
            Fate::Left if is_repeated => {}
            Fate::Left => left.push(name.clone()),
            Fate::Changed => return false,
        }
        last = Some(name);
    }
    for name in left {
        headers.remove(name);
    }
    true
}

fn fate((name, value): (&HeaderName, &HeaderValue), is_repeated: bool, own: &[&str], drops_trace: bool) -> Fate {
    if name == HOST || name == CONTENT_LENGTH {
        return Fate::Left;
    }
    let is_plain = || !is_repeated && value.to_str().is_ok_and(|value| !value.is_empty());
    if name == CONTENT_TYPE {
        return if is_plain() { Fate::Kept } else { Fate::Changed };
    }
    if name == CONNECTION {
        // Any other word names a header that belongs to this hop.
        let names_none = value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"keep-alive");
        return if names_none { Fate::Left } else { Fate::Changed };
    }
    match name.as_str() {
        "destination-app-id" => Fate::Left,
        "traceparent" | "tracestate" | "grpc-trace-bin" if drops_trace => Fate::Left,
        "traceparent" | "tracestate" | "grpc-trace-bin" => Fate::Changed,
        "baggage" | "cookie" if is_repeated => Fate::Changed,
        name if own.contains(&name) || name.ends_with("-bin") || security::headers::is_hop_by_hop(name) => Fate::Left,
        name if name.starts_with("grpc-") => Fate::Changed,
        _ if value.to_str().is_err() => Fate::Changed,
        _ => Fate::Kept,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: [&str; 2] = ["dapr-caller-app-id", "dapr-api-token"];
    const NAMES: [&str; 24] = [
        "host",
        "content-length",
        "content-type",
        "connection",
        "keep-alive",
        "close",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "traceparent",
        "tracestate",
        "grpc-trace-bin",
        "grpc-timeout",
        "destination-app-id",
        "dapr-caller-app-id",
        "dapr-callee-app-id",
        "dapr-api-token",
        "baggage",
        "cookie",
        "x-own-bin",
        "x-own",
        "accept",
        "user-agent",
    ];
    const VALUES: [&[u8]; 8] =
        [b"", b"a", b"b c", b"keep-alive", b"close", b"Keep-Alive, x-own", b"caf\xe9", "caf\u{e9}".as_bytes()];

    /// By way of metadata.
    fn detour(headers: &HeaderMap) -> HeaderMap {
        let mut metadata = crate::from_http_headers(headers);
        metadata.retain(|name, _| !OWN.iter().any(|own| name.eq_ignore_ascii_case(own)));
        let mut passed = HeaderMap::new();
        crate::to_http_headers(&metadata, &mut passed).unwrap();
        if let Some(kind) = headers.get(CONTENT_TYPE).filter(|kind| kind.to_str().is_ok_and(|kind| !kind.is_empty())) {
            passed.insert(CONTENT_TYPE, kind.clone());
        }
        passed
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn headers_that_stay_are_those_of_the_detour(
            picked in proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..6),
            drops_trace: bool,
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in picked {
                headers.append(NAMES[name], HeaderValue::from_bytes(VALUES[value]).unwrap());
            }
            let before = headers.clone();
            if pass_on(&mut headers, &OWN, drops_trace) {
                prop_assert_eq!(headers, detour(&before));
            } else {
                prop_assert_eq!(headers, before);
            }
        }
    }

    #[test]
    fn what_most_calls_carry_goes_on_as_it_is() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "h"),
            ("content-length", "2"),
            ("content-type", "application/json"),
            ("connection", "keep-alive"),
            ("accept", "*/*"),
            ("user-agent", "u"),
            ("cookie", "a=b"),
            ("x-own", "1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert!(pass_on(&mut headers, &OWN, false));
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "content-type", "cookie", "user-agent", "x-own"]);
    }

    #[test]
    fn a_header_that_the_connection_names_needs_the_detour() {
        let mut headers = HeaderMap::new();
        headers.append("connection", HeaderValue::from_static("x-secret"));
        headers.append("x-secret", HeaderValue::from_static("s"));
        assert!(!pass_on(&mut headers, &OWN, true));
        assert_eq!(headers.len(), 2);
    }
}

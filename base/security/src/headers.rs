//! Headers that must not travel: those of one connection (RFC 9110 7.6.1), and those that say who calls whom.
//! Called by every hop before it forwards. What a hop adds afterwards is its own matter.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

/// Headers of one connection, in lower case; the list is the target's.
pub const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "te",
    "trailer",
    "proxy-authorization",
    "proxy-authenticate",
];

/// The app that calls, as its sidecar knows it.
pub const CALLER_APP_ID: HeaderName = HeaderName::from_static("dapr-caller-app-id");
/// The namespace of the app that calls.
pub const CALLER_NAMESPACE: HeaderName = HeaderName::from_static("dapr-caller-namespace");
/// The app that is called.
pub const CALLEE_APP_ID: HeaderName = HeaderName::from_static("dapr-callee-app-id");
/// The app that is called, between sidecars; never given to an app.
pub const DESTINATION_APP_ID: HeaderName = HeaderName::from_static("destination-app-id");

/// Names that only a sidecar may set, in lower case; also with the suffix `-bin`.
pub const IDENTITY: [&str; 4] =
    ["dapr-caller-app-id", "dapr-caller-namespace", "dapr-callee-app-id", "destination-app-id"];

/// Whether a name, in any case, belongs to one connection.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a name, in any case and with or without `-bin`, says who calls whom.
#[must_use]
pub fn is_identity(name: &str) -> bool {
    let (start, end) = name.split_at_checked(name.len().saturating_sub(4)).unwrap_or((name, ""));
    let bare = if end.eq_ignore_ascii_case("-bin") { start } else { name };
    IDENTITY.iter().any(|known| known.eq_ignore_ascii_case(bare))
}

/// The names that `Connection` values list, in lower case.
pub fn named_in_connection<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let all = values.into_iter().flat_map(|value| value.split(','));
    all.map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

/// Removes the headers of one connection and those that `Connection` lists.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named = named_in_connection(headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()));
    for name in HOP_BY_HOP.into_iter().chain(named.iter().map(String::as_str)) {
        while headers.remove(name).is_some() {}
    }
}

/// Removes what says who calls whom.
pub fn strip_identity(headers: &mut HeaderMap) {
    for name in IDENTITY {
        while headers.remove(name).is_some() {}
        while headers.remove(format!("{name}-bin")).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn headers_of_the_connection_and_those_it_names_are_removed() {
        let mut all = headers(&[
            ("Connection", "close, X-Secret"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-secret", "2"),
            ("x-other", "1"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("x-kept", "1"),
        ]);
        strip_hop_by_hop(&mut all);
        assert_eq!(all.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn claims_about_who_calls_are_removed_in_any_case() {
        let mut all = headers(&[
            ("Dapr-Caller-App-Id", "a"),
            ("dapr-caller-app-id", "b"),
            ("DAPR-CALLEE-APP-ID-BIN", "Yg"),
            ("destination-app-id", "c"),
            ("dapr-app-id", "kept"),
        ]);
        strip_identity(&mut all);
        assert_eq!(all.len(), 1);
        assert!(is_identity("DAPR-Caller-Namespace") && is_identity("dapr-caller-namespace-Bin"));
        assert!(!is_identity("bin") && !is_identity("dapr-caller") && !is_identity("é-bin"));
        assert!(is_hop_by_hop("Keep-Alive") && !is_hop_by_hop("content-length"));
    }
}

//! Headers that belong to one hop (RFC 9110 7.6.1 and the target's list), for everything that passes headers on.

use http::HeaderMap;
use http::header::CONNECTION;

const HOP_BY_HOP: [&str; 10] = [
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

/// Whether a header of this name, in any case, belongs to one hop.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// The names that `Connection` headers list, in lower case: they belong to one hop too.
#[must_use]
pub fn nominated(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|token| token.trim().to_ascii_lowercase())
        .filter(|token| !token.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn connection_nominates_headers_in_any_case() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("Close, X-Secret"));
        headers.append(CONNECTION, HeaderValue::from_static("x-other"));
        assert_eq!(nominated(&headers), ["close", "x-secret", "x-other"]);
        assert!(is_hop_by_hop("Transfer-Encoding"));
        assert!(!is_hop_by_hop("x-secret"));
    }
}

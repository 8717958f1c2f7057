//! The time a gRPC caller gives: `grpc-timeout`. Read by the doors and by the proxy, which keep to it; it starts no clock.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A `grpc-timeout` that is not one, with the reason in the words of the target's gRPC library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedTimeout(String);

impl fmt::Display for MalformedTimeout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "malformed grpc-timeout: {}", self.0)
    }
}

impl std::error::Error for MalformedTimeout {}

/// How long the caller waits; `None` when it does not say.
///
/// # Errors
/// [`MalformedTimeout`] for anything but at most eight digits and a unit (gRPC over HTTP/2, "Timeout").
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, MalformedTimeout> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    parse(&text).map(Some).map_err(MalformedTimeout)
}

fn parse(text: &str) -> Result<Duration, String> {
    let is = |what: &str| Err(format!("transport: timeout {what}: {text:?}"));
    if text.len() < 2 {
        return is("string is too short");
    }
    if text.len() > 9 {
        return is("string is too long");
    }
    let Some((digits, unit)) = text.split_at_checked(text.len() - 1) else { return is("unit is not recognized") };
    let scale: fn(u64) -> Duration = match unit {
        "H" => |count| Duration::from_secs(count * 3600),
        "M" => |count| Duration::from_secs(count * 60),
        "S" => Duration::from_secs,
        "m" => Duration::from_millis,
        "u" => Duration::from_micros,
        "n" => Duration::from_nanos,
        _ => return is("unit is not recognized"),
    };
    match digits.parse::<u64>() {
        Ok(count) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(scale(count)),
        _ => Err(format!("strconv.ParseUint: parsing {digits:?}: invalid syntax")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("20m", Duration::from_millis(20)),
            ("0u", Duration::ZERO),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_timeout_is_refused_in_the_targets_words() {
        for (text, said) in [
            ("", "transport: timeout string is too short: \"\""),
            ("m", "transport: timeout string is too short: \"m\""),
            ("123456789S", "transport: timeout string is too long: \"123456789S\""),
            ("1x", "transport: timeout unit is not recognized: \"1x\""),
            ("1\u{fc}", "transport: timeout unit is not recognized: \"1\u{fc}\""),
            ("-1S", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
            ("+1S", "strconv.ParseUint: parsing \"+1\": invalid syntax"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            assert_eq!(timeout(&headers).unwrap_err().to_string(), format!("malformed grpc-timeout: {said}"));
        }
        assert_eq!(timeout(&HeaderMap::new()), Ok(None));
    }
}

//! What the metadata of a request says to publishing itself, whatever the broker. Notations are the target's.

use std::time::Duration;

use component::Metadata;

/// Publishes the data as it is, without an event around it.
const RAW_PAYLOAD: &str = "rawPayload";

/// What Go can hold of a time; more counts as this.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());

/// Whether `rawPayload` is set.
///
/// # Errors
/// A sentence, where it is neither true nor false.
pub(crate) fn is_raw(metadata: &Metadata) -> Result<bool, String> {
    match metadata.get(RAW_PAYLOAD).map(String::as_str) {
        None | Some("" | "0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(other) => Err(format!("{RAW_PAYLOAD} value must be a valid boolean: actual is '{other}'")),
    }
}

/// `ttl` or `ttlInSeconds`, in any letter case: a Go duration or a number of seconds. What cannot be read, and a number
/// of seconds that is not positive, counts as not given.
pub(super) fn time_to_live(metadata: &Metadata) -> Option<Duration> {
    let given = |wanted: &str| metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let (_, value) = given("ttl").or_else(|| given("ttlInSeconds")).filter(|(_, value)| !value.is_empty())?;
    match schedule::parse_go_duration(value) {
        // A negative one is over at once.
        Ok(duration) => Some(duration.to_std().unwrap_or(Duration::ZERO)),
        Err(_) => {
            let seconds = value.parse::<i64>().ok().filter(|seconds| *seconds > 0)?;
            Some(LONGEST.min(Duration::from_secs(seconds.unsigned_abs())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> Metadata {
        [(name.to_owned(), value.to_owned())].into()
    }

    #[test]
    fn raw_payload_is_a_boolean_as_go_reads_it() {
        for (value, expected) in [("", false), ("true", true), ("T", true), ("1", true), ("False", false), ("0", false)]
        {
            assert_eq!(is_raw(&of("rawPayload", value)), Ok(expected), "{value}");
        }
        assert_eq!(is_raw(&of("rawpayload", "true")), Ok(false));
        let said = "rawPayload value must be a valid boolean: actual is 'tRue'";
        assert_eq!(is_raw(&of("rawPayload", "tRue")), Err(said.to_owned()));
    }

    #[test]
    fn a_time_to_live_is_a_duration_or_seconds() {
        for (name, value, expected) in [
            ("ttlInSeconds", "10", Some(10_000)),
            ("TTLINSECONDS", "1m", Some(60_000)),
            ("ttl", "1500ms", Some(1_500)),
            ("ttl", "-1s", Some(0)),
            ("ttlInSeconds", "0", Some(0)),
            ("ttlInSeconds", "-1", None),
            ("ttlInSeconds", "soon", None),
            ("ttlInSeconds", "", None),
            ("time", "1", None),
        ] {
            assert_eq!(time_to_live(&of(name, value)), expected.map(Duration::from_millis), "{name}={value}");
        }
    }
}

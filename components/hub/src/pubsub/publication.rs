//! What the metadata of a message asks of the broker: how long it lives, until when it is held back, what it is in order with.
//! Used by `pubsub`; pure.

use std::time::Duration;

use bytes::Bytes;
use component::{Error, ErrorKind, Metadata};
use wire::hub::{Publication, TopicMessage, publication::When};

use crate::connection::milliseconds;

const TTL: &str = "ttlInSeconds";
const DELAY: &str = "delay";
const DELIVER_AT: &str = "deliverAt";
const ORDERING_KEY: [&str; 2] = ["orderingKey", "partitionKey"];
/// The longest a message is held back.
const LONGEST_DELAY: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A message as the hub takes it.
pub(crate) fn of(data: Bytes, content_type: Option<&str>, metadata: &Metadata) -> Result<Publication, Error> {
    let when = match (given(metadata, DELAY), given(metadata, DELIVER_AT)) {
        (None, None) => None,
        (Some(delay), None) => Some(When::Delay(milliseconds(parse_delay(delay)?))),
        (None, Some(moment)) => Some(When::DeliverAt(parse_moment(moment)?)),
        (Some(_), Some(_)) => return Err(wrong(format!("{DELAY} and {DELIVER_AT} exclude each other"))),
    };
    let ordering_key = ORDERING_KEY.iter().find_map(|name| given(metadata, name)).map(str::to_owned);
    let life = given(metadata, TTL).map(parse_life).transpose()?;
    let message = TopicMessage {
        data,
        content_type: content_type.map(str::to_owned),
        metadata: metadata.clone().into_iter().collect(),
        ordering_key,
        life: life.map(milliseconds),
    };
    Ok(Publication { message: Some(message), when })
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, reason)
}

/// What is given under a name in any case; empty means that it is not.
fn given<'metadata>(metadata: &'metadata Metadata, name: &str) -> Option<&'metadata str> {
    let found = metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

fn parse_delay(text: &str) -> Result<Duration, Error> {
    let parsed = schedule::parse_go_duration(text).ok().and_then(|delay| delay.to_std());
    let delay =
        parsed.ok_or_else(|| wrong(format!("{DELAY} must be a duration such as 90s or 1h30m, not {text:?}")))?;
    if delay > LONGEST_DELAY {
        return Err(wrong(format!("{DELAY} must be at most 366 days, not {text:?}")));
    }
    Ok(delay)
}

/// Milliseconds since 1970; a moment that has passed is one, too.
fn parse_moment(text: &str) -> Result<u64, Error> {
    let parsed = text.parse::<jiff::Timestamp>();
    let moment = parsed.map_err(|_| {
        wrong(format!("{DELIVER_AT} must be a moment as in RFC 3339, such as 2030-01-31T08:00:00Z, not {text:?}"))
    })?;
    Ok(u64::try_from(moment.as_millisecond()).unwrap_or_default())
}

fn parse_life(text: &str) -> Result<Duration, Error> {
    let seconds = text.parse::<i64>();
    let seconds = seconds.map_err(|_| wrong(format!("{TTL} must be a whole number of seconds, not {text:?}")))?;
    let positive = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    let seconds = positive.ok_or_else(|| wrong(format!("{TTL} must be higher than zero, not {text}")))?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(pairs: &[(&str, &str)]) -> Result<Publication, String> {
        let metadata = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        of(Bytes::from_static(b"data"), Some("text/plain"), &metadata).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            error.to_string()
        })
    }

    #[test]
    fn metadata_says_when_and_how_long_and_in_which_order() {
        let plain = publication(&[("a", "b")]).unwrap();
        assert_eq!(plain.when, None);
        let message = plain.message.unwrap();
        assert_eq!((message.life, message.ordering_key.as_deref()), (None, None));
        assert_eq!(message.metadata["a"], "b");
        let full = publication(&[("TTLinSeconds", "2"), ("delay", "1m30s"), ("partitionKey", "k")]).unwrap();
        assert_eq!(full.when, Some(When::Delay(90_000)));
        let message = full.message.unwrap();
        assert_eq!((message.life, message.ordering_key.as_deref()), (Some(2000), Some("k")));
        assert_eq!(message.metadata.len(), 3);
        let both = publication(&[("partitionKey", "k"), ("orderingKey", "o")]).unwrap();
        assert_eq!(both.message.unwrap().ordering_key.as_deref(), Some("o"));
        let moment = publication(&[("deliverAt", "1970-01-01T00:00:01.5Z")]).unwrap();
        assert_eq!(moment.when, Some(When::DeliverAt(1500)));
        let moment = publication(&[("deliverAt", "1970-01-01T02:00:00+01:00")]).unwrap();
        assert_eq!(moment.when, Some(When::DeliverAt(3_600_000)));
        assert_eq!(publication(&[("delay", ""), ("ttlInSeconds", "")]).unwrap().when, None);
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_named() {
        for (name, value, said) in [
            ("ttlInSeconds", "soon", "whole number of seconds"),
            ("ttlInSeconds", "0", "higher than zero"),
            ("ttlInSeconds", "-3", "higher than zero"),
            ("delay", "later", "must be a duration"),
            ("delay", "-1s", "must be a duration"),
            ("delay", "90000h", "at most 366 days"),
            ("deliverAt", "tomorrow", "RFC 3339"),
            ("deliverAt", "2030-01-31", "RFC 3339"),
        ] {
            let error = publication(&[(name, value)]).unwrap_err();
            assert!(error.contains(name) && error.contains(said), "{error}");
        }
        let error = publication(&[("delay", "1s"), ("deliverAt", "2030-01-31T08:00:00Z")]).unwrap_err();
        assert!(error.contains("exclude each other"), "{error}");
    }
}

//! How values stand in etcd: as they are (version 1), or in the target's envelope with the time of writing and how long
//! they live (version 2). Pure.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use component::state::TTL_EXPIRE_TIME;
use component::{Error, ErrorKind, Metadata};
use prost::Message;

use crate::messages::Envelope;

/// A layout of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// Version 1.
    Plain,
    /// Version 2.
    Envelope,
}

/// A value out of its layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) data: Bytes,
    /// When it ends, by its writer's clock; what ends it is its lease, by etcd's.
    pub(super) end: Option<SystemTime>,
}

impl Decoded {
    pub(super) fn metadata(&self) -> Metadata {
        let end = self.end.and_then(|end| jiff::Timestamp::try_from(end).ok());
        let end = end.and_then(|end| jiff::Timestamp::from_second(end.as_second()).ok());
        end.iter().map(|end| (TTL_EXPIRE_TIME.to_owned(), end.to_string())).collect()
    }
}

impl Schema {
    /// A value as it is stored.
    pub(super) fn encode(self, data: Bytes, life: Option<Duration>, now: SystemTime) -> Bytes {
        match self {
            Schema::Plain => data,
            Schema::Envelope => {
                let lives = life.and_then(|life| i64::try_from(life.as_secs()).ok());
                let lives = lives.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
                Envelope { data, written: Some(now.into()), lives }.encode_to_vec().into()
            }
        }
    }

    /// A value as it was given.
    pub(super) fn decode(self, stored: &Bytes) -> Result<Decoded, Error> {
        if self == Schema::Plain {
            return Ok(Decoded { data: stored.clone(), end: None });
        }
        let envelope = Envelope::decode(stored.clone()).map_err(|error| {
            Error::new(ErrorKind::Internal, "the value is not in the layout of version 2").caused_by(error)
        })?;
        let life = envelope.lives.and_then(|lives| Duration::try_from(lives).ok()).filter(|life| !life.is_zero());
        let written = envelope.written.and_then(|written| SystemTime::try_from(written).ok());
        let end = written.zip(life).and_then(|(written, life)| written.checked_add(life));
        Ok(Decoded { data: envelope.data, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_out_of_both_layouts() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for schema in [Schema::Plain, Schema::Envelope] {
            let stored = schema.encode(Bytes::from_static(b"\0v"), None, now);
            let expected = Decoded { data: Bytes::from_static(b"\0v"), end: None };
            assert_eq!(schema.decode(&stored).unwrap(), expected);
        }
        let stored = Schema::Envelope.encode(Bytes::from_static(b"v"), Some(Duration::from_secs(60)), now);
        let decoded = Schema::Envelope.decode(&stored).unwrap();
        assert_eq!(decoded.metadata().get("ttlExpireTime").unwrap(), "2023-11-14T22:14:20Z");
    }

    #[test]
    fn the_targets_zero_life_is_no_end() {
        let stored = [&[10, 1, b'v', 18, 6, 8, 128, 146, 184, 195, 6][..], &[26, 0]].concat();
        assert_eq!(
            Schema::Envelope.decode(&stored.into()).unwrap(),
            Decoded { data: Bytes::from_static(b"v"), end: None }
        );
    }

    #[test]
    fn what_is_not_in_the_layout_is_told() {
        let error = Schema::Envelope.decode(&Bytes::from_static(b"{\"a\":1}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
    }
}

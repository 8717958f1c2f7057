//! A message and how it is written into the ledger (format 1). Used by everything in this crate; pure.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ledger::Moment;

use crate::Error;
use crate::error::damaged;

/// The format that is written.
const FORMAT: u8 = 1;

/// What is published and delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Byte for byte what the subscribers get.
    pub data: Bytes,
    /// Of the data.
    pub content_type: Option<String>,
    /// What was published along with it.
    pub metadata: BTreeMap<String, String>,
    /// Messages of one key are delivered one after the other, in the order they were published.
    pub ordering_key: Option<String>,
    /// How long after its publication it is still delivered.
    pub life: Option<Duration>,
}

/// When a message is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// At once.
    #[default]
    Now,
    /// After a while.
    After(Duration),
    /// At a time of day; one that has passed is now.
    At(Moment),
}

/// A message to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// The message.
    pub message: Message,
    /// Until when it is held back: for all who subscribe, it is published then.
    pub when: When,
}

/// A message in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// When it was published, or is to be.
    pub(crate) published: Moment,
    pub(crate) message: Message,
}

impl Record {
    /// Whether it is no longer delivered.
    pub(crate) fn has_ended(&self, now: Moment) -> bool {
        self.message.life.is_some_and(|life| self.published.after(life) <= now)
    }

    pub(crate) fn encode(&self) -> Bytes {
        let Message { data, content_type, metadata, ordering_key, life } = &self.message;
        let mut content = BytesMut::with_capacity(64 + data.len());
        content.put_u8(FORMAT);
        content.put_u64(self.published.0);
        // No life is the longest there is.
        content.put_u64(life.map_or(u64::MAX, milliseconds));
        for text in [ordering_key, content_type] {
            content.put_u8(u8::from(text.is_some()));
            put_text(&mut content, text.as_deref().unwrap_or_default());
        }
        content.put_u32(u32::try_from(metadata.len()).unwrap_or(u32::MAX));
        for (name, value) in metadata {
            put_text(&mut content, name);
            put_text(&mut content, value);
        }
        content.extend_from_slice(data);
        content.freeze()
    }

    pub(crate) fn decode(content: Bytes) -> Result<Self, Error> {
        read(content).ok_or_else(|| damaged("a message"))
    }
}

pub(crate) fn milliseconds(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX)
}

fn put_text(content: &mut BytesMut, text: &str) {
    content.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    content.extend_from_slice(text.as_bytes());
}

fn text(content: &mut Bytes) -> Option<String> {
    let length = usize::try_from(content.try_get_u32().ok()?).ok()?;
    if length > content.len() {
        return None;
    }
    String::from_utf8(content.split_to(length).to_vec()).ok()
}

fn optional_text(content: &mut Bytes) -> Option<Option<String>> {
    let is_there = content.try_get_u8().ok()? != 0;
    text(content).map(|text| is_there.then_some(text))
}

fn read(mut content: Bytes) -> Option<Record> {
    if content.try_get_u8().ok()? != FORMAT {
        return None;
    }
    let published = Moment(content.try_get_u64().ok()?);
    let life = content.try_get_u64().ok()?;
    let life = (life != u64::MAX).then_some(Duration::from_millis(life));
    let (ordering_key, content_type) = (optional_text(&mut content)?, optional_text(&mut content)?);
    let mut metadata = BTreeMap::new();
    for _ in 0..content.try_get_u32().ok()? {
        metadata.insert(text(&mut content)?, text(&mut content)?);
    }
    Some(Record { published, message: Message { data: content, content_type, metadata, ordering_key, life } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_is_read_as_it_was_written(
            data in any::<Vec<u8>>(),
            content_type in any::<Option<String>>(),
            metadata in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..4),
            ordering_key in any::<Option<String>>(),
            life in proptest::option::of(0..u64::MAX),
            published in any::<u64>(),
        ) {
            let life = life.map(Duration::from_millis);
            let message = Message { data: data.into(), content_type, metadata, ordering_key, life };
            let record = Record { published: Moment(published), message };
            prop_assert_eq!(Record::decode(record.encode()).unwrap(), record);
        }

        #[test]
        fn what_is_no_message_is_damage_and_no_panic(content in any::<Vec<u8>>()) {
            let _ = Record::decode(content.into());
        }
    }

    #[test]
    fn a_message_of_a_newer_format_is_not_guessed_at() {
        let record = Record { published: Moment(1), message: Message::default() };
        let mut content = record.encode().to_vec();
        content[0] = FORMAT + 1;
        assert!(Record::decode(content.into()).is_err());
    }
}

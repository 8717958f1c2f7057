//! Under which keys of the ledger a topic is kept. Used by everything that reads or writes them; pure.
//!
//! | Key | Value |
//! |---|---|
//! | `topics/DATABASE/t` topic | the topic: numbers, how many messages, how many bytes |
//! | `topics/DATABASE/m` topic, number | a message |
//! | `topics/DATABASE/d` topic, moment, number | a message that is held back until that moment |
//! | `topics/DATABASE/g` topic, group | a group: below which number all is settled, its options |
//! | `topics/DATABASE/a` topic, group, number | which of the 1024 messages from that number on are settled |
//!
//! Names are written behind their length (four bytes), numbers in eight bytes, all big-endian.

use bytes::{BufMut, Bytes, BytesMut};
use ledger::Moment;

use crate::TopicName;

/// What the keys of all topics begin with.
const AREA: &str = "topics/";

/// The names of one topic's rows.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    database: String,
    topic: String,
}

impl Names {
    pub(crate) fn of(name: &TopicName) -> Self {
        Self { database: name.database.clone(), topic: name.topic.clone() }
    }

    fn begin(&self, kind: u8) -> BytesMut {
        let mut key = BytesMut::with_capacity(AREA.len() + self.database.len() + self.topic.len() + 64);
        key.extend_from_slice(AREA.as_bytes());
        key.extend_from_slice(self.database.as_bytes());
        key.extend_from_slice(&[b'/', kind]);
        put_name(&mut key, &self.topic);
        key
    }

    pub(crate) fn topic(&self) -> Bytes {
        self.begin(b't').freeze()
    }

    pub(crate) fn message(&self, number: u64) -> Bytes {
        let mut key = self.begin(b'm');
        key.put_u64(number);
        key.freeze()
    }

    pub(crate) fn delayed(&self, due: Moment, number: u64) -> Bytes {
        let mut key = self.begin(b'd');
        key.put_u64(due.0);
        key.put_u64(number);
        key.freeze()
    }

    pub(crate) fn group(&self, group: &str) -> Bytes {
        let mut key = self.begin(b'g');
        put_name(&mut key, group);
        key.freeze()
    }

    /// The first key of all groups, and the one behind the last.
    pub(crate) fn groups(&self) -> (Bytes, Bytes) {
        let (from, mut until) = (self.begin(b'g').freeze(), self.begin(b'g'));
        // A length is never so large.
        until.put_u32(u32::MAX);
        (from, until.freeze())
    }

    /// The name of the group in its key.
    pub(crate) fn group_of(&self, key: &Bytes) -> Option<String> {
        last_name(key, self.begin(b'g').len())
    }

    pub(crate) fn chunk(&self, group: &str, chunk: u64) -> Bytes {
        let mut key = self.begin(b'a');
        put_name(&mut key, group);
        key.put_u64(chunk);
        key.freeze()
    }

    /// The number at the end of a key.
    pub(crate) fn number_of(key: &Bytes) -> Option<u64> {
        let tail = key.len().checked_sub(8).and_then(|from| key.get(from..))?;
        Some(u64::from_be_bytes(tail.try_into().ok()?))
    }

    /// The moment in the key of a message that is held back.
    pub(crate) fn due_of(key: &Bytes) -> Option<Moment> {
        let from = key.len().checked_sub(16)?;
        let moment = key.get(from..from + 8)?;
        Some(Moment(u64::from_be_bytes(moment.try_into().ok()?)))
    }
}

fn put_name(key: &mut BytesMut, name: &str) {
    key.put_u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
    key.extend_from_slice(name.as_bytes());
}

fn last_name(key: &Bytes, from: usize) -> Option<String> {
    String::from_utf8(key.get(from + 4..)?.to_vec()).ok()
}

/// The keys of all topics of all databases: what they begin with.
pub(crate) fn all() -> (Bytes, Bytes) {
    (Bytes::from_static(b"topics/"), Bytes::from_static(b"topics0"))
}

/// The key behind all those of the topics of a database, so that looking for names does not go through messages.
pub(crate) fn behind_topics(database: &str) -> Bytes {
    format!("{AREA}{database}0").into()
}

/// The first key of the rows of topics of a database.
pub(crate) fn first_topic(database: &str) -> Bytes {
    format!("{AREA}{database}/t").into()
}

/// The database of a key.
pub(crate) fn database_of(key: &Bytes) -> Option<String> {
    let rest = key.strip_prefix(AREA.as_bytes())?;
    let end = rest.iter().position(|byte| *byte == b'/')?;
    String::from_utf8(rest.get(..end)?.to_vec()).ok()
}

/// The topic of a topic's own key.
pub(crate) fn topic_of(key: &Bytes, database: &str) -> Option<String> {
    last_name(key, AREA.len() + database.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(topic: &str) -> Names {
        Names::of(&TopicName { database: "default".to_owned(), topic: topic.to_owned() })
    }

    #[test]
    fn topics_and_groups_cannot_reach_into_each_other() {
        let key = names("a").message(7);
        let (from, until) = (names("a").message(0), names("a").message(u64::MAX));
        assert!(from < key && key < until);
        for other in ["", "aa", "a/", "\0", "b"] {
            let key = names(other).message(7);
            assert!(key < from || key > until, "{other}");
        }
        assert_eq!(Names::number_of(&key), Some(7));
        assert_eq!(names("a").group_of(&names("a").group("g/1")).as_deref(), Some("g/1"));
        assert_eq!(Names::due_of(&names("a").delayed(Moment(5), 6)), Some(Moment(5)));
        assert_eq!(database_of(&key).as_deref(), Some("default"));
        assert_eq!(topic_of(&names("x y").topic(), "default").as_deref(), Some("x y"));
        assert!(all().0 < key && key < all().1 && key < behind_topics("default"));
        assert!(first_topic("default") < names("").topic());
    }
}

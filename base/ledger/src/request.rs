//! What is asked of the ledger and what it answers. Plain data; everybody who calls it makes and reads these.

use std::time::Duration;

use bytes::Bytes;

/// A time of day in milliseconds since 1970. The ledger has no clock: whoever calls it says what time it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment of a time of day; before 1970 it is the beginning of that year.
    #[must_use]
    pub fn of(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// This moment and a while.
    #[must_use]
    pub fn after(self, life: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The revision that made the key.
    pub create_revision: u64,
    /// The revision that wrote it last.
    pub mod_revision: u64,
    /// How often it was written since it was made; 1 at first.
    pub version: u64,
    /// The lease it ends with; 0 for none.
    pub lease: u64,
    /// When that lease ends.
    pub ends: Option<Moment>,
}

/// Which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// This one.
    One(Bytes),
    /// All that begin so; an empty prefix means all.
    Prefix(Bytes),
    /// All from the first on and before the second.
    Range(Bytes, Bytes),
}

/// Asks for keys in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeRequest {
    /// Which keys.
    pub keys: Keys,
    /// Only keys behind this one: where the last page ended.
    pub behind: Option<Bytes>,
    /// How many at most.
    pub limit: Option<usize>,
    /// No more keys are taken once their values have so many bytes.
    pub bytes: Option<usize>,
    /// As they were at this revision; `None` as they are.
    pub revision: Option<u64>,
    /// Whether values are left out.
    pub keys_only: bool,
}

impl RangeRequest {
    /// All of these keys as they are now.
    #[must_use]
    pub fn of(keys: Keys) -> Self {
        Self { keys, behind: None, limit: None, bytes: None, revision: None, keys_only: false }
    }
}

/// Keys in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeAnswer {
    /// The last revision there was.
    pub revision: u64,
    /// The keys.
    pub entries: Vec<KeyValue>,
    /// Whether there are more than the limit allowed.
    pub more: bool,
}

/// What of a key is compared. A key that is not there has zeros and no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Its `version`; 0 means that it is not there.
    Version(u64),
    /// Its `create_revision`.
    CreateRevision(u64),
    /// Its `mod_revision`.
    ModRevision(u64),
    /// Its value. A key that is not there differs from every value, and is neither less nor greater.
    Value(Bytes),
    /// Its lease.
    Lease(u64),
}

/// How what is stored has to relate to what is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is the same.
    Equal,
    /// It is not the same.
    NotEqual,
    /// It is less.
    Less,
    /// It is greater.
    Greater,
}

/// One condition of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: Bytes,
    /// What of it, and with what it is compared.
    pub subject: Subject,
    /// How they have to relate.
    pub relation: Relation,
}

/// With which lease a key ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseChoice {
    /// It does not end.
    #[default]
    None,
    /// With this lease.
    Held(u64),
    /// With a lease of its own that is made for it, lasts this long, and goes with the key.
    Own(Duration),
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes a key.
    Put {
        /// The key.
        key: Bytes,
        /// Its value.
        value: Bytes,
        /// What it ends with.
        lease: LeaseChoice,
    },
    /// Removes keys.
    Delete(Keys),
    /// Reads keys, as the steps before have left them. A revision is not allowed here.
    Range(RangeRequest),
}

/// Steps that are taken together, or others if a condition does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All have to hold. They are held against what was stored before.
    pub compares: Vec<Compare>,
    /// The steps if they do, in their order.
    pub then: Vec<Operation>,
    /// The steps if not.
    pub otherwise: Vec<Operation>,
}

/// What one step has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Put,
    /// So many keys were removed.
    Deleted(u64),
    /// What was read.
    Range(RangeAnswer),
}

/// What a transaction has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnAnswer {
    /// The revision it made; the last one if it changed nothing.
    pub revision: u64,
    /// Whether all conditions held.
    pub succeeded: bool,
    /// One for each step.
    pub outcomes: Vec<Outcome>,
}

/// A promise that keys end at a time unless it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its number; never 0.
    pub id: u64,
    /// How long it lasts from each renewal.
    pub life: Duration,
    /// When it ends.
    pub ends: Moment,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was written.
    Put(KeyValue),
    /// It was removed, or has ended.
    Delete {
        /// The key.
        key: Bytes,
        /// The revision that removed it.
        revision: u64,
    },
}

/// Changes in the order of their revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Every change up to this revision was reported.
    pub revision: u64,
    /// The changes.
    pub events: Vec<Event>,
}

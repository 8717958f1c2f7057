//! What a topic is asked and what it answers. Plain data; made by `broker`, read by `topic`.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::{Error, Message, Publication};

/// A topic and the database it is in. Topics of different databases know nothing of each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName {
    /// A name that was checked: without a slash.
    pub database: String,
    /// The topic.
    pub topic: String,
}

/// How a group is kept and served. What the last consumer says counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// How long an unsettled message is kept for it.
    pub retention: Duration,
    /// How many bytes the topic may take before the oldest messages are dropped.
    pub bytes: u64,
    /// The wait before a message that failed is delivered again; it doubles with each failure.
    pub first_wait: Duration,
    /// The longest such wait.
    pub longest_wait: Duration,
}

/// How much a consumer holds unsettled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Messages; at least one.
    pub messages: usize,
    /// Bytes; a single message may have more.
    pub bytes: usize,
}

/// Asks to be a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// Of which topic.
    pub name: TopicName,
    /// In which group: of its consumers, one gets each message.
    pub group: String,
    /// How the group is kept and served.
    pub options: GroupOptions,
    /// How much it holds.
    pub window: Window,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// Done with: never delivered to the group again.
    Done,
    /// Failed: delivered again after a wait.
    Retry,
    /// Given back unharmed: delivered again at once.
    Release,
}

/// What a consumer is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A message that it holds from now on.
    Message {
        /// Names it in its settlement.
        tag: u64,
        /// How often it failed before.
        failures: u32,
        /// The message.
        message: Message,
    },
    /// The settlement of a message was taken, and if it is done with, that is on the disk.
    Settled(u64),
}

/// What is known of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicStatus {
    /// Messages that some group has not settled, or that wait for a first group.
    pub messages: u64,
    /// Messages that are held back until their time.
    pub delayed: u64,
    /// What all of them take.
    pub bytes: u64,
    /// The groups by name.
    pub groups: Vec<(String, GroupStatus)>,
}

/// What is known of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStatus {
    /// Messages that it has not settled, those that consumers hold included.
    pub waiting: u64,
    /// Messages that consumers hold.
    pub held: u64,
    /// Its consumers.
    pub consumers: u64,
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What a topic is asked.
pub(crate) enum Command {
    Publish(Vec<Publication>, Reply<()>),
    Attach {
        attach: Attach,
        consumer: u64,
        sender: mpsc::Sender<Outgoing>,
        reply: Reply<()>,
    },
    Settle {
        group: String,
        consumer: u64,
        settlements: Vec<(u64, Settlement)>,
    },
    /// The consumer gets nothing more, and keeps what it holds.
    Pause {
        group: String,
        consumer: u64,
    },
    /// The consumer has gone; what it held is delivered to others.
    Detach {
        group: String,
        consumer: u64,
    },
    Status(Reply<TopicStatus>),
}

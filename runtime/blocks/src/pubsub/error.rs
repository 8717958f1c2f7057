//! Why publishing failed. Made by the block, worded by the doors.

use bytes::Bytes;
use component::Error as ComponentError;

use super::NotTaken;

/// What was published to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The component.
    pub pubsub: String,
    /// The topic, as the app calls it.
    pub topic: String,
}

/// Why a request of the publishing API failed.
#[derive(Debug)]
pub enum Error {
    /// The request names no component.
    NameEmpty,
    /// There is no pub/sub component of this name.
    NotFound {
        /// The component asked for.
        pubsub: String,
    },
    /// The request names no topic.
    TopicEmpty {
        /// The component.
        pubsub: String,
    },
    /// `rawPayload` is neither true nor false.
    RawPayload {
        /// The component.
        pubsub: String,
        /// What is wrong.
        message: String,
    },
    /// The data was announced as a cloud event and is none.
    CloudEvent {
        /// The component.
        pubsub: String,
        /// The app.
        app: String,
        /// What was announced as an event.
        data: Bytes,
    },
    /// An entry has no id, or that of another.
    EntryId {
        /// What was published to.
        place: Place,
        /// The app.
        app: String,
    },
    /// The component does not let this app publish to this topic.
    Forbidden {
        /// What was published to.
        place: Place,
        /// The app.
        app: String,
    },
    /// The broker did not take the message.
    Publish {
        /// What was published to.
        place: Place,
        /// Why.
        source: ComponentError,
    },
    /// The broker did not take all of many messages.
    NotTaken {
        /// What was published to.
        place: Place,
        /// Which and why.
        failure: NotTaken,
    },
}

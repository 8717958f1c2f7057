//! The body of a call: a stream that can be read once, or bytes that can be sent again.

use bytes::Bytes;
use service::Body;

/// What a call or an answer carries. `Once` streams through; `Replayable` is held in memory, so that an attempt that
/// provably was not processed can be repeated after part of it was handed to a connection.
pub enum Payload {
    /// A stream: read once, passed on as it comes.
    Once(Body),
    /// Bytes already in memory.
    Replayable(Bytes),
}

impl Payload {
    /// No content.
    pub fn empty() -> Self {
        Self::Replayable(Bytes::new())
    }

    /// The body to send now. A replayable payload stays; of a stream only an empty one is left.
    pub fn take(&mut self) -> Body {
        match self {
            Self::Once(body) => std::mem::replace(body, service::body::empty()),
            Self::Replayable(bytes) => service::body::full(bytes.clone()),
        }
    }

    /// The body, given away.
    pub fn into_body(self) -> Body {
        match self {
            Self::Once(body) => body,
            Self::Replayable(bytes) => service::body::full(bytes),
        }
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Once(_) => formatter.write_str("Once(..)"),
            Self::Replayable(bytes) => write!(formatter, "Replayable({} bytes)", bytes.len()),
        }
    }
}

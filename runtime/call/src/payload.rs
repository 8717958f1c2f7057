//! The body of a call: a stream that can be read once, or bytes that can be sent again.

use bytes::Bytes;
use service::Body;

/// Bytes of an answer up to which it is held until it is whole, where its sender has said how long it will be: then every
/// hop knows the length and says it. (Go's HTTP server gives short answers a length up to here.) Longer ones, and those
/// of unknown length, pass as they come.
pub const SHORT: u64 = 2048;

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

    /// How many bytes there are, if all of them are here.
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::Once(_) => None,
            Self::Replayable(bytes) => Some(bytes.len()),
        }
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

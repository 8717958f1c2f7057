//! Why a subscription could not be made. Returned to the door of streams; the start of declared ones logs it.

use std::fmt;

use component::Error as ComponentError;
use tonic::Status;

/// Why a subscription could not be made.
#[derive(Debug)]
pub enum Error {
    /// There is no pub/sub component of this name.
    NotFound {
        /// The component asked for.
        pubsub: String,
    },
    /// The component does not let this app subscribe to this topic.
    Forbidden {
        /// The component.
        pubsub: String,
        /// The topic, as the app calls it.
        topic: String,
    },
    /// The subscription itself cannot be acted on: a match expression, a setting.
    Refused(String),
    /// The broker did not take it.
    Broker {
        /// The topic, as the app calls it.
        topic: String,
        /// Why.
        source: ComponentError,
    },
    /// The sidecar stops.
    Closed,
}

impl Error {
    /// Whether the same subscription may be taken later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Broker { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { pubsub } => write!(formatter, "pubsub {pubsub} is not found"),
            Self::Forbidden { pubsub, topic } => {
                write!(formatter, "subscription to topic '{topic}' on pubsub '{pubsub}' is not allowed")
            }
            Self::Refused(reason) => formatter.write_str(reason),
            Self::Broker { topic, source } => write!(formatter, "failed to subscribe to topic {topic}: {source}"),
            Self::Closed => formatter.write_str("subscriber is closed"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Status {
    /// As the target answers a stream: a missing component has a row of its own, the rest has none.
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { pubsub } => errors::pubsub_not_found(pubsub).into(),
            other => Status::unknown(other.to_string()),
        }
    }
}

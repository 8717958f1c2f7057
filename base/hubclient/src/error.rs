//! Why a call to the hub failed. Nobody may classify it by its text.

use std::fmt;

use tonic::{Code, Status};

/// Why a call to the hub failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No hub can be reached; the request was not sent.
    Unreachable(String),
    /// The connection broke: the request may have been done.
    Broken(String),
    /// There is a hub, and it will not talk to us: another user's, or another version.
    Refused(String),
    /// What was asked is wrong and will stay wrong.
    Invalid(String),
    /// What was asked for is no longer kept, or not there yet.
    OutOfRange(String),
    /// There is no such lease.
    NotFound(String),
    /// There is no room for it now; nothing was done.
    Full(String),
    /// The hub has failed; it acknowledges nothing more.
    Failed(String),
}

impl Error {
    /// Whether another try, later, may succeed without doing anything twice.
    #[must_use]
    pub fn was_not_sent(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    pub(crate) fn of_status(status: &Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument => Self::Invalid(message),
            Code::OutOfRange => Self::OutOfRange(message),
            Code::NotFound => Self::NotFound(message),
            Code::ResourceExhausted => Self::Full(message),
            Code::FailedPrecondition | Code::PermissionDenied => Self::Refused(message),
            Code::DataLoss => Self::Failed(message),
            _ => Self::Broken(if message.is_empty() { format!("{:?}", status.code()) } else { message }),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => write!(formatter, "the hub cannot be reached: {reason}"),
            Self::Broken(reason) => write!(formatter, "the connection to the hub broke: {reason}"),
            Self::Refused(reason)
            | Self::Invalid(reason)
            | Self::OutOfRange(reason)
            | Self::NotFound(reason)
            | Self::Full(reason)
            | Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

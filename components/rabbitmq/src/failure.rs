//! What can go wrong towards the server, and what it means to a caller. Used by everything here that talks to it.

use std::time::Duration;

use component::{Error, ErrorKind, Retry};
use lapin::ErrorKind as Kind;

/// Codes of the protocol that mean something to a caller.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const COMMAND_INVALID: u16 = 503;
const NOT_ALLOWED: u16 = 530;
const NOT_IMPLEMENTED: u16 = 540;

/// Why something was not done.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The client library or the server says so.
    Server(lapin::Error),
    /// No connection within this time.
    NoConnection(Duration),
    /// No answer within this time.
    NoAnswer(Duration),
    /// The server could not take a message.
    Refused,
    /// Too much is on its way already.
    Crowded,
    /// The component is closed.
    Closed,
    /// The channel that a message came through is gone.
    Gone,
    /// A name or value is too long for the protocol.
    TooLong(String),
}

impl From<lapin::Error> for Failure {
    fn from(error: lapin::Error) -> Self {
        Self::Server(error)
    }
}

impl Failure {
    fn code(&self) -> Option<u16> {
        match self {
            Self::Server(error) => match error.kind() {
                Kind::ProtocolError(error) => Some(error.get_id()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether what is there was declared in another way.
    pub(crate) fn is_mismatch(&self) -> bool {
        self.code() == Some(PRECONDITION_FAILED)
    }

    /// Whether an exchange or a queue is not there.
    pub(crate) fn is_absence(&self) -> bool {
        self.code() == Some(NOT_FOUND)
    }

    /// What it is to a caller.
    pub(crate) fn kind(&self) -> ErrorKind {
        match (self, self.code()) {
            (_, Some(ACCESS_REFUSED | NOT_ALLOWED)) => ErrorKind::PermissionDenied,
            (_, Some(PRECONDITION_FAILED | COMMAND_INVALID)) | (Self::TooLong(_), _) => ErrorKind::InvalidArgument,
            (_, Some(NOT_FOUND)) => ErrorKind::NotFound,
            (_, Some(NOT_IMPLEMENTED)) => ErrorKind::NotSupported,
            (Self::Server(error), _) => match error.kind() {
                Kind::InvalidProtocolVersion(_) => ErrorKind::NotSupported,
                Kind::AuthProviderError(_) => ErrorKind::PermissionDenied,
                _ => ErrorKind::Unavailable,
            },
            _ => ErrorKind::Unavailable,
        }
    }

    /// The error of a caller; `doing` finishes "rabbitmq: cannot".
    pub(crate) fn into_error(self, doing: &str, retry: Retry) -> Error {
        let (kind, text) = (self.kind(), format!("rabbitmq: cannot {doing}"));
        let retry = if kind == ErrorKind::Unavailable { retry } else { Retry::Never };
        Error::new(kind, text).with_retry(retry).caused_by(self.to_string())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(error) => match error.kind() {
                Kind::ProtocolError(error) => formatter.write_str(error.get_message().as_str()),
                Kind::IOError(error) => error.fmt(formatter),
                _ => error.fmt(formatter),
            },
            Self::NoConnection(time) => write!(formatter, "no connection after {time:?}"),
            Self::NoAnswer(time) => write!(formatter, "no answer after {time:?}"),
            Self::Refused => formatter.write_str("the server did not take the message"),
            Self::Crowded => formatter.write_str("too many messages are on their way already"),
            Self::Closed => formatter.write_str("the component is closed"),
            Self::Gone => formatter.write_str("its channel is gone, and the server delivers it again"),
            Self::TooLong(what) => write!(formatter, "{what} is longer than 255 bytes"),
        }
    }
}

//! Why a call to the API came to nothing. Callers decide by kind, never by text.

use std::fmt;

use serde::Deserialize;

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// This is no name of an object or namespace; nothing was sent.
    Name(String),
    /// What this process proves itself with cannot be had.
    Credentials(String),
    /// No connection, or it broke, or nothing came in time. Whether the request was followed is not known.
    Unreachable(String),
    /// The API server refused.
    Refused(Refusal),
    /// The answer has more bytes than this.
    TooLarge(usize),
    /// The answer, or what was to be sent, is not as it should be.
    Unreadable(String),
}

/// What the API server says when it refuses (kind `Status`), or what its HTTP answer alone says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// One word, for example `NotFound`.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

impl Error {
    fn has_code(&self, code: u16) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == code)
    }

    /// There is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.has_code(404)
    }

    /// The object was changed by somebody else, or exists already.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.has_code(409)
    }

    /// The version that was asked for is too old to be known still.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.has_code(410)
    }

    /// Who asks may not do this.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.has_code(403)
    }

    /// The API server does not know who asks.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.has_code(401)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(formatter, "{name:?} is not a name of a Kubernetes object"),
            Self::Credentials(reason) => write!(formatter, "no credentials for the Kubernetes API: {reason}"),
            Self::Unreachable(reason) => write!(formatter, "the Kubernetes API cannot be reached: {reason}"),
            Self::Refused(refusal) => refusal.fmt(formatter),
            Self::TooLarge(limit) => write!(formatter, "the Kubernetes API answered with more than {limit} bytes"),
            Self::Unreadable(reason) => write!(formatter, "what the Kubernetes API answered cannot be read: {reason}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.message.as_str(), self.reason.as_str()) {
            ("", "") => write!(formatter, "the Kubernetes API answered {}", self.code),
            ("", reason) => write!(formatter, "the Kubernetes API answered {} ({reason})", self.code),
            (message, _) => formatter.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

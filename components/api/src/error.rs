//! The one error a backend answers with. Blocks turn it into an API error by its kind; nobody may classify it by its
//! text.

use std::error::Error as StdError;
use std::fmt;

/// Why a backend could not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was asked for does not exist.
    NotFound,
    /// The request itself is wrong and will stay wrong.
    InvalidArgument,
    /// The ETag given is not the one stored.
    EtagMismatch,
    /// The ETag given cannot be an ETag of this store.
    EtagInvalid,
    /// The backend does not offer this ability.
    NotSupported,
    /// The server behind the backend cannot be reached or refuses work for now.
    Unavailable,
    /// The deadline of the call passed.
    Timeout,
    /// The caller gave up.
    Cancelled,
    /// The server behind the backend refuses us.
    PermissionDenied,
    /// Anything else.
    Internal,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It would fail in the same way.
    Never,
    /// It may have been processed: only a policy may send it again.
    MaybeProcessed,
    /// It provably was not processed.
    NotProcessed,
}

/// What a backend answers when it fails.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error whose `Retry` is the usual one of its kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Internal => Retry::MaybeProcessed,
            ErrorKind::NotFound
            | ErrorKind::InvalidArgument
            | ErrorKind::EtagMismatch
            | ErrorKind::EtagInvalid
            | ErrorKind::NotSupported
            | ErrorKind::Cancelled
            | ErrorKind::PermissionDenied => Retry::Never,
        };
        Self { kind, retry, message: message.into(), source: None }
    }

    /// An ETag that is not the stored one. The wording is what callers of the target read.
    pub fn etag_mismatch(detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::EtagMismatch, format!("possible etag mismatch. error from state store: {detail}"))
    }

    /// An ETag that this store could never have given out. The wording is what callers of the target read.
    pub fn etag_invalid(detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::EtagInvalid, format!("invalid etag value: {detail}"))
    }

    /// Names what caused this error; its text is shown behind the message.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that sending the request again is more, or less, safe than is usual for the kind.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Why it failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same request may be sent again.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// The message without the text of the cause.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) if self.message.is_empty() => write!(formatter, "{source}"),
            Some(source) => write!(formatter, "{}: {source}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

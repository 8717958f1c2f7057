//! What a failure of the client library means: for the caller, for the request, and for the connection. Judged by kinds and
//! by the code words of Redis' protocol, never by texts. Used by `link` and everything that asks through it.

use component::{Error, ErrorKind, Retry};
use redis::{ErrorKind as RedisKind, RedisError, ServerErrorKind};

/// Why a request failed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The library or the server says why.
    Redis(RedisError),
    /// No answer came in time.
    NoAnswer,
    /// No connection came about in time.
    NoConnection,
    /// No connection came about, and this is why.
    NotConnected(RedisError),
    /// The component is being closed.
    Closed,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) kind: ErrorKind,
    pub(crate) retry: Retry,
    /// Whether the connection is of no more use.
    pub(crate) broken: bool,
}

const fn meaning(kind: ErrorKind, retry: Retry, broken: bool) -> Meaning {
    Meaning { kind, retry, broken }
}

impl Failure {
    /// What it means for a request that was handed to a connection.
    pub(crate) fn meaning(&self) -> Meaning {
        match self {
            Self::Redis(error) => of_redis(error),
            Self::NoAnswer => meaning(ErrorKind::Timeout, Retry::MaybeProcessed, true),
            Self::NoConnection | Self::NotConnected(_) => meaning(ErrorKind::Unavailable, Retry::NotProcessed, true),
            Self::Closed => meaning(ErrorKind::Unavailable, Retry::NotProcessed, false),
        }
    }

    /// The same failure when it came before the request was sent.
    pub(crate) fn before_sending(self) -> Self {
        match self {
            Self::Redis(error) if of_redis(&error).retry == Retry::MaybeProcessed => Self::NotConnected(error),
            other => other,
        }
    }

    /// The code word of a server's error, such as `WRONGTYPE`.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Redis(error) => error.code(),
            Self::NoAnswer | Self::NoConnection | Self::NotConnected(_) | Self::Closed => None,
        }
    }

    /// The error a caller gets; `doing` finishes "redis: cannot".
    pub(crate) fn into_error(self, doing: &str) -> Error {
        let meaning = self.meaning();
        let error = match self {
            Self::Redis(error) => Error::new(meaning.kind, format!("redis: cannot {doing}")).caused_by(error),
            Self::NotConnected(error) => {
                Error::new(meaning.kind, format!("redis: cannot {doing}: no connection")).caused_by(error)
            }
            Self::NoAnswer => Error::new(meaning.kind, format!("redis: cannot {doing}: no answer in time")),
            Self::NoConnection => Error::new(meaning.kind, format!("redis: cannot {doing}: no connection in time")),
            Self::Closed => Error::new(meaning.kind, format!("redis: cannot {doing}: the component is closed")),
        };
        error.with_retry(meaning.retry)
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

fn of_redis(error: &RedisError) -> Meaning {
    match error.kind() {
        RedisKind::Server(kind) => of_server(kind),
        RedisKind::Extension => of_code(error.code().unwrap_or_default()),
        RedisKind::AuthenticationFailed => meaning(ErrorKind::PermissionDenied, Retry::NotProcessed, true),
        RedisKind::InvalidClientConfig => meaning(ErrorKind::InvalidArgument, Retry::NotProcessed, true),
        RedisKind::ClusterConnectionNotFound => meaning(ErrorKind::Unavailable, Retry::NotProcessed, false),
        RedisKind::UnexpectedReturnType => meaning(ErrorKind::Internal, Retry::MaybeProcessed, false),
        _ if error.is_connection_refusal() => meaning(ErrorKind::Unavailable, Retry::NotProcessed, true),
        _ if error.is_timeout() => meaning(ErrorKind::Timeout, Retry::MaybeProcessed, true),
        _ => meaning(ErrorKind::Unavailable, Retry::MaybeProcessed, true),
    }
}

fn of_server(kind: ServerErrorKind) -> Meaning {
    match kind {
        ServerErrorKind::BusyLoading
        | ServerErrorKind::Moved
        | ServerErrorKind::Ask
        | ServerErrorKind::TryAgain
        | ServerErrorKind::ClusterDown
        | ServerErrorKind::MasterDown => meaning(ErrorKind::Unavailable, Retry::NotProcessed, false),
        // A master that has become a replica: whoever asks again must find the new one.
        ServerErrorKind::ReadOnly => meaning(ErrorKind::Unavailable, Retry::NotProcessed, true),
        ServerErrorKind::NoPerm => meaning(ErrorKind::PermissionDenied, Retry::NotProcessed, false),
        ServerErrorKind::CrossSlot => meaning(ErrorKind::InvalidArgument, Retry::NotProcessed, false),
        _ => meaning(ErrorKind::Internal, Retry::Never, false),
    }
}

fn of_code(code: &str) -> Meaning {
    match code {
        "NOAUTH" | "WRONGPASS" => meaning(ErrorKind::PermissionDenied, Retry::NotProcessed, true),
        "BUSY" | "OOM" | "MISCONF" | "NOREPLICAS" => meaning(ErrorKind::Unavailable, Retry::NotProcessed, false),
        _ => meaning(ErrorKind::Internal, Retry::Never, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_may_have_done_the_work_and_a_refused_one_has_not() {
        let of = |kind: std::io::ErrorKind| Failure::from(RedisError::from(std::io::Error::from(kind))).meaning();
        let lost = of(std::io::ErrorKind::BrokenPipe);
        assert_eq!(lost, meaning(ErrorKind::Unavailable, Retry::MaybeProcessed, true));
        let refused = of(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(refused, meaning(ErrorKind::Unavailable, Retry::NotProcessed, true));
    }

    #[test]
    fn code_words_of_the_server_are_understood() {
        let of = |code: &str| Failure::from(redis::make_extension_error(code.to_owned(), None)).meaning();
        assert_eq!(of("WRONGPASS").kind, ErrorKind::PermissionDenied);
        assert_eq!(of("OOM").retry, Retry::NotProcessed);
        assert_eq!(of("WRONGTYPE").kind, ErrorKind::Internal);
    }
}

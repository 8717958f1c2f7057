//! Why a call got no answer, and whether its app can have seen it.

use std::fmt;

use tonic::{Code, Status};

/// A call without an answer. Shown the way the target shows it to callers: `rpc error: code = X desc = Y` when there is
/// a gRPC code, else the plain message.
#[derive(Debug)]
pub struct Failure {
    /// The gRPC code, when one was given.
    pub code: Option<Code>,
    /// What went wrong.
    pub message: String,
    /// Whether the app provably never saw the call, so that it may be sent again.
    pub unsent: bool,
}

impl Failure {
    /// A failure without a gRPC code.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into(), unsent: false }
    }

    /// A failure with a gRPC code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: Some(code), message: message.into(), unsent: false }
    }

    /// A peer that could not be reached: nothing was sent.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { code: Some(Code::Unavailable), message: message.into(), unsent: true }
    }

    /// The same failure as a gRPC status; one without a code is `Unknown`, as in the target.
    pub fn into_status(self) -> Status {
        Status::new(self.code.unwrap_or(Code::Unknown), self.message)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::new(status.code(), status.message())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(formatter, "rpc error: code = {} desc = {}", errors::code_name(code), self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// What a status from a gRPC client stub means: one that was made here, because nothing could be sent, allows another
    /// attempt; one from the peer does not.
    pub fn from_rpc(status: &Status) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(status);
        while let Some(error) = cause {
            if let Some(failure) = error.downcast_ref::<service::SendFailure>() {
                let mut result = Self::unreachable(failure.reason.clone());
                result.unsent = failure.unsent;
                return result;
            }
            cause = error.source();
        }
        Self::new(status.code(), status.message())
    }
}

//! What etcd and the way to it say, as the one error of backends.

use component::{Error, ErrorKind, Retry};
use tonic::{Code, Status};

/// A request of that many bytes is more than etcd takes, unless its flag `--max-request-bytes` says otherwise.
const TOO_LARGE: usize = 3 << 19;

/// The error of a backend, behind the words for what was being done with a request of `size` bytes.
pub(crate) fn failure(doing: &str, status: &Status, size: usize) -> Error {
    let kind = match status.code() {
        Code::ResourceExhausted if size > TOO_LARGE => ErrorKind::InvalidArgument,
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => ErrorKind::InvalidArgument,
        Code::PermissionDenied | Code::Unauthenticated => ErrorKind::PermissionDenied,
        Code::DeadlineExceeded => ErrorKind::Timeout,
        Code::Unavailable | Code::ResourceExhausted | Code::Unknown | Code::Cancelled | Code::Aborted => {
            ErrorKind::Unavailable
        }
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("{doing}: {}", status.message()))
}

/// Nobody could be asked, so nothing was done.
pub(crate) fn unreachable(reason: &str) -> Error {
    let message = format!("no endpoint of etcd can be reached: {reason}");
    Error::new(ErrorKind::Unavailable, message).with_retry(Retry::NotProcessed)
}

/// Nobody answered in time.
pub(crate) fn late(doing: &str, limit: std::time::Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("{doing}: no answer from etcd within {limit:?}"))
}

/// Whether another member, or the same one over a new connection, may answer.
pub(crate) fn may_pass(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled)
}

//! What SQLite's failures are to a caller. Used by everything that touches the file; decides by codes, never by texts.

use component::{Error, ErrorKind, Retry};
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};

use crate::connection::is_busy;

/// A failure as callers are told it.
pub(super) fn failed(action: &str, error: &rusqlite::Error) -> Error {
    if is_busy(error) {
        return out_of_time();
    }
    let (kind, retry) = match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (ErrorKind::PermissionDenied, Retry::Never),
        Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory) => (ErrorKind::Unavailable, Retry::NotProcessed),
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => (ErrorKind::Unavailable, Retry::MaybeProcessed),
        Some(ErrorCode::TooBig) => (ErrorKind::InvalidArgument, Retry::Never),
        _ => (ErrorKind::Internal, Retry::MaybeProcessed),
    };
    Error::new(kind, format!("{action}: {error}")).with_retry(retry)
}

/// The file was held by another process for as long as the caller waits.
pub(super) fn out_of_time() -> Error {
    let message = "context deadline exceeded: another process held the database all the time";
    Error::new(ErrorKind::Timeout, message).with_retry(Retry::NotProcessed)
}

/// The value has another ETag, or there is none. Like the target's store it does not say which.
pub(super) fn etag_mismatch() -> Error {
    Error::new(ErrorKind::EtagMismatch, "possible etag mismatch. error from state store")
}

/// Whether the disk could not be made to keep something.
pub(super) fn is_of_sync(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC))
}

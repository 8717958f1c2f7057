//! What the driver says, as the one error of backends: its kind by the server's code, never by its text.

use std::error::Error as StdError;
use std::fmt::Write;

use component::{Error, ErrorKind, Retry};
use tokio_postgres::error::{DbError, SqlState};

/// The error of a backend, behind the words for what was being done; those may be empty.
pub(crate) fn failure(doing: &str, error: &tokio_postgres::Error) -> Error {
    let mut message = doing.to_owned();
    if !message.is_empty() {
        message.push_str(": ");
    }
    let (kind, retry) = match error.as_db_error() {
        Some(told) => {
            let _ = write!(message, "{}: {} (SQLSTATE {})", told.severity(), told.message(), told.code().code());
            kind(told)
        }
        None => {
            write_chain(&mut message, error);
            (ErrorKind::Unavailable, Retry::MaybeProcessed)
        }
    };
    Error::new(kind, message).with_retry(retry)
}

fn write_chain(message: &mut String, error: &dyn StdError) {
    let _ = write!(message, "{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(message, ": {error}");
        cause = error.source();
    }
}

/// The code's first two characters are its class (appendix A of PostgreSQL's manual).
fn kind(told: &DbError) -> (ErrorKind, Retry) {
    let code = told.code().code();
    match code.get(..2).unwrap_or_default() {
        "40" => (ErrorKind::Unavailable, Retry::NotProcessed),
        "28" => (ErrorKind::PermissionDenied, Retry::Never),
        "22" | "54" => (ErrorKind::InvalidArgument, Retry::Never),
        // Refused before anything was done: too many connections, starting up, shutting down.
        "53" => (ErrorKind::Unavailable, Retry::NotProcessed),
        "08" => (ErrorKind::Unavailable, Retry::MaybeProcessed),
        "57" if *told.code() == SqlState::QUERY_CANCELED => (ErrorKind::Timeout, Retry::MaybeProcessed),
        "57" => (ErrorKind::Unavailable, Retry::MaybeProcessed),
        _ if *told.code() == SqlState::INSUFFICIENT_PRIVILEGE => (ErrorKind::PermissionDenied, Retry::Never),
        _ => (ErrorKind::Internal, Retry::MaybeProcessed),
    }
}

/// Whether the transaction was undone by the server because another was in its way, so that doing it again may work.
pub(crate) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::T_R_DEADLOCK_DETECTED) || code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
}

/// Whether another process made the same thing at the same time. The server notices that at several places.
pub(crate) fn is_duplicate(error: &tokio_postgres::Error) -> bool {
    let said = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_OBJECT, SqlState::DUPLICATE_TABLE];
    error.code().is_some_and(|code| said.contains(code))
}

/// Whether the connection that said so is of no more use. A statement that was prepared before its table changed stays
/// unusable on its connection, so that goes too.
pub(crate) fn spoils_connection(error: &tokio_postgres::Error) -> bool {
    let Some(told) = error.as_db_error() else { return true };
    let code = told.code();
    let class = code.code().get(..2).unwrap_or_default();
    matches!(class, "08" | "25" | "57" | "58" | "XX")
        || *code == SqlState::FEATURE_NOT_SUPPORTED
        || *code == SqlState::INVALID_SQL_STATEMENT_NAME
        || matches!(told.severity(), "FATAL" | "PANIC")
}

/// Whether the connection broke, so that nothing is known of the statement.
pub(crate) fn is_broken(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(told) => told.code().code().starts_with("57P") || told.code().code().starts_with("08"),
        None => true,
    }
}

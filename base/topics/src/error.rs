//! Why the broker could not do what it was asked. Whoever calls it sees these.

use std::fmt;

/// Why the broker could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request itself is wrong and will stay wrong; nothing was done.
    Invalid(String),
    /// There is no room for it now; nothing was done.
    Full(String),
    /// The ledger failed: nobody knows whether it was done.
    Ledger(ledger::Error),
    /// The broker has ended; the request may have been done.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) | Self::Full(reason) => formatter.write_str(reason),
            Self::Ledger(error) => error.fmt(formatter),
            Self::Closed => formatter.write_str("the broker of the hub has ended"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ledger::Error> for Error {
    fn from(error: ledger::Error) -> Self {
        Self::Ledger(error)
    }
}

/// What lies in the ledger is not what the broker wrote.
pub(crate) fn damaged(what: &str) -> Error {
    Error::Ledger(ledger::Error::Corrupt(format!("the row of {what} cannot be read").into()))
}

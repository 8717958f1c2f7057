//! Why the ledger could not do what it was asked. Everybody who calls it sees these.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the ledger could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// What was asked for lies before the oldest revision that is kept, which is this one.
    Compacted(u64),
    /// A revision that is not there yet; the last one is this.
    FutureRevision(u64),
    /// There is no such lease, or it has ended.
    LeaseNotFound(u64),
    /// The request itself is wrong and will stay wrong.
    Invalid(String),
    /// The disk failed. Nothing is acknowledged any more until the ledger is opened again.
    Failed(Arc<str>),
    /// What lies on the disk is not what was written.
    Corrupt(Arc<str>),
    /// Another process has the folder open.
    Locked(PathBuf),
    /// The folder was written by a newer version.
    NewerFormat {
        /// The format of the folder.
        found: String,
        /// The newest format this version knows.
        known: u32,
    },
    /// The ledger was closed.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compacted(oldest) => write!(formatter, "revisions before {oldest} are no longer kept"),
            Self::FutureRevision(last) => write!(formatter, "that revision is not there yet; the last one is {last}"),
            Self::LeaseNotFound(lease) => write!(formatter, "there is no lease {lease}, or it has ended"),
            Self::Invalid(reason) => formatter.write_str(reason),
            Self::Failed(reason) => write!(
                formatter,
                "the disk of the ledger failed ({reason}); nothing more is acknowledged until it is opened again"
            ),
            Self::Corrupt(reason) => write!(formatter, "the ledger on the disk is damaged: {reason}"),
            Self::Locked(folder) => write!(formatter, "another process has {} open", folder.display()),
            Self::NewerFormat { found, known } => write!(
                formatter,
                "the ledger was written by a newer version (format {found}, this one knows up to {known}); use that \
                 version, or another data folder"
            ),
            Self::Closed => formatter.write_str("the ledger is closed"),
        }
    }
}

impl std::error::Error for Error {}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        match &error {
            fjall::Error::Io(_) | fjall::Error::Poisoned | fjall::Error::Storage(_) => {
                Self::Failed(error.to_string().into())
            }
            _ => Self::Corrupt(error.to_string().into()),
        }
    }
}

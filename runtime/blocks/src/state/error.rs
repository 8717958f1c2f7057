//! What can go wrong in the state API. `front` turns each into one row of the error catalogue; this file knows no
//! status codes.

use std::fmt;

use component::state::BulkError;

/// Why a request of the state API failed. Its text is the message the target answers with.
#[derive(Debug)]
pub enum Error {
    /// There is no state store at all.
    NotConfigured {
        /// The store asked for.
        store: String,
    },
    /// There is no state store of this name.
    NotFound {
        /// The store asked for.
        store: String,
    },
    /// A key contains `||`.
    IllegalKey {
        /// The store.
        store: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// A value was to be stored without a key.
    EmptyKey {
        /// The store.
        store: String,
    },
    /// Reading failed.
    Get {
        /// The store.
        store: String,
        /// The key as the app calls it.
        key: String,
        /// Why.
        source: component::Error,
    },
    /// Reading many keys failed as a whole.
    BulkGet {
        /// The store.
        store: String,
        /// Why.
        source: component::Error,
    },
    /// Storing failed, for some values at least.
    Save {
        /// The store.
        store: String,
        /// Why; its kind tells ETag conflicts from the rest.
        source: BulkError,
    },
    /// Removing failed.
    Delete {
        /// The store.
        store: String,
        /// The key as the app calls it.
        key: String,
        /// Why; its kind tells ETag conflicts from the rest.
        source: component::Error,
    },
    /// Removing many keys failed, for some at least.
    BulkDelete {
        /// The store.
        store: String,
        /// Why; its kind tells ETag conflicts from the rest.
        source: BulkError,
    },
    /// The store does no transactions.
    TransactionsNotSupported {
        /// The store.
        store: String,
    },
    /// A transaction has more operations than the store takes.
    TooManyOperations {
        /// The store.
        store: String,
        /// How many there are.
        count: usize,
        /// How many there may be.
        maximum: usize,
    },
    /// An operation of a transaction is neither `upsert` nor `delete`. Found by `front`, which reads the words.
    UnsupportedOperation {
        /// The word.
        operation: String,
    },
    /// A transaction failed and changed nothing.
    Transaction {
        /// The store.
        store: String,
        /// Why.
        source: component::Error,
    },
    /// The store cannot be searched.
    QueryNotSupported {
        /// The store.
        store: String,
    },
    /// A query cannot be read, the store is encrypted, or the store failed.
    Query {
        /// The store.
        store: String,
        /// Why.
        message: String,
    },
    /// The store does not list its keys.
    KeysNotSupported {
        /// The store.
        store: String,
    },
    /// A prefix or the size of a page cannot be one.
    KeysMalformed {
        /// What is wrong.
        message: String,
    },
    /// Listing keys failed.
    Keys {
        /// The store.
        store: String,
        /// Why.
        source: component::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotConfigured { store } => write!(formatter, "state store {store} is not configured"),
            Error::NotFound { store } => write!(formatter, "state store {store} is not found"),
            Error::IllegalKey { message, .. } => formatter.write_str(message),
            Error::EmptyKey { .. } => formatter.write_str("state key cannot be empty"),
            Error::Get { store, key, source } => {
                write!(formatter, "fail to get {key} from state store {store}: {source}")
            }
            Error::BulkGet { source, .. } => source.fmt(formatter),
            Error::Save { store, source } => write!(formatter, "failed saving state in state store {store}: {source}"),
            Error::Delete { key, source, .. } => write!(formatter, "failed deleting state with key {key}: {source}"),
            Error::BulkDelete { store, source } => {
                write!(formatter, "failed deleting state in state store {store}: {source}")
            }
            Error::TransactionsNotSupported { store } => {
                write!(formatter, "state store {store} doesn't support transactions")
            }
            Error::TooManyOperations { count, maximum, .. } => write!(
                formatter,
                "the transaction contains {count} operations, which is more than what the state store supports: \
                 {maximum}"
            ),
            Error::UnsupportedOperation { operation } => {
                write!(formatter, "operation type {operation} not supported")
            }
            Error::Transaction { source, .. } => write!(formatter, "error while executing state transaction: {source}"),
            Error::QueryNotSupported { .. } => formatter.write_str("state store does not support querying"),
            Error::Query { store, message } => write!(formatter, "state store {store} query failed: {message}"),
            Error::KeysNotSupported { store } => {
                write!(formatter, "state store {store} doesn't support listing keys")
            }
            Error::KeysMalformed { message } => formatter.write_str(message),
            Error::Keys { store, source } => write!(formatter, "failed listing keys of state store {store}: {source}"),
        }
    }
}

impl std::error::Error for Error {}

//! What a request comes to before it waits for the file: checked, and without anything borrowed. Made by the store,
//! carried out by the writer's thread.

use bytes::Bytes;
use component::state::{Concurrency, DeleteRequest, Operation, SetRequest, time_to_live};
use component::{Error, ErrorKind};

/// The longest life in seconds that the target takes; a longer one would end behind what SQLite can count to.
const MAX_LIFE_SECONDS: u64 = i32::MAX as u64;

/// One change.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Stores a value.
    Put(Put),
    /// Removes a value.
    Remove(Removal),
}

/// Stores a value.
#[derive(Debug, Clone)]
pub(super) struct Put {
    pub(super) key: String,
    pub(super) value: Bytes,
    pub(super) json: bool,
    /// Never empty.
    pub(super) etag: Option<String>,
    /// Whether the key must be new where no ETag is given.
    pub(super) first_write: bool,
    pub(super) life_seconds: Option<u64>,
}

/// Removes a value.
#[derive(Debug, Clone)]
pub(super) struct Removal {
    pub(super) key: String,
    /// Never empty.
    pub(super) etag: Option<String>,
}

impl Step {
    /// Reads an operation of a transaction.
    pub(super) fn of(operation: &Operation) -> Result<Self, Error> {
        match operation {
            Operation::Upsert(request) => Self::put(request),
            Operation::Delete(request) => Self::removal(request),
        }
    }

    /// Reads a write.
    pub(super) fn put(request: &SetRequest) -> Result<Self, Error> {
        require(&request.key, "missing key in set option")?;
        let life_seconds = time_to_live(&request.metadata)?.map(|life| life.as_secs());
        if life_seconds.is_some_and(|seconds| seconds > MAX_LIFE_SECONDS) {
            let message = format!("ttlInSeconds must be at most {MAX_LIFE_SECONDS}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(Self::Put(Put {
            key: request.key.clone(),
            value: request.value.clone(),
            json: request.json,
            etag: given(request.etag.as_ref()),
            first_write: request.options.concurrency == Concurrency::FirstWrite,
            life_seconds,
        }))
    }

    /// Reads a removal.
    pub(super) fn removal(request: &DeleteRequest) -> Result<Self, Error> {
        require(&request.key, "missing key in delete operation")?;
        Ok(Self::Remove(Removal { key: request.key.clone(), etag: given(request.etag.as_ref()) }))
    }

    /// About how many bytes it writes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Put(put) => put.key.len() + put.value.len(),
            Self::Remove(removal) => removal.key.len(),
        }
    }
}

fn given(etag: Option<&String>) -> Option<String> {
    etag.filter(|etag| !etag.is_empty()).cloned()
}

fn require(key: &str, message: &str) -> Result<(), Error> {
    if key.is_empty() { Err(Error::new(ErrorKind::InvalidArgument, message)) } else { Ok(()) }
}

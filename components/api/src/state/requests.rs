//! The requests and answers of state stores, and the rules all stores share for reading them. Transport-free: words and
//! numbers of HTTP and gRPC are turned into these by `front`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Error, ErrorKind, Metadata};

/// Name of the answer metadata that says when a value ends, as RFC 3339 in UTC with whole seconds.
pub const TTL_EXPIRE_TIME: &str = "ttlExpireTime";

/// How fresh a read or how safe a write must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Whatever the store does.
    #[default]
    Unspecified,
    /// `eventual`
    Eventual,
    /// `strong`
    Strong,
}

/// What happens when two writers meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// Last write.
    #[default]
    Unspecified,
    /// `first-write`: without an ETag the key must not exist yet.
    FirstWrite,
    /// `last-write`
    LastWrite,
}

/// The options of a write or removal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// How safe the write must be.
    pub consistency: Consistency,
    /// What happens when two writers meet.
    pub concurrency: Concurrency,
}

impl Consistency {
    /// Reads the word of the HTTP API; an empty one is no wish.
    pub fn from_word(word: &str) -> Result<Self, Error> {
        match word {
            "" => Ok(Self::Unspecified),
            "eventual" => Ok(Self::Eventual),
            "strong" => Ok(Self::Strong),
            other => Err(unrecognized("consistency", other)),
        }
    }
}

impl Concurrency {
    /// Reads the word of the HTTP API; an empty one is no wish.
    pub fn from_word(word: &str) -> Result<Self, Error> {
        match word {
            "" => Ok(Self::Unspecified),
            "first-write" => Ok(Self::FirstWrite),
            "last-write" => Ok(Self::LastWrite),
            other => Err(unrecognized("concurrency", other)),
        }
    }
}

fn unrecognized(what: &str, word: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("unrecognized {what} model '{word}'"))
}

/// Asks for the value of a key.
#[derive(Debug, Clone, Default)]
pub struct GetRequest {
    /// The key.
    pub key: String,
    /// How fresh the value must be.
    pub consistency: Consistency,
    /// For the store.
    pub metadata: Metadata,
}

/// A value as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The value; may be empty.
    pub data: Bytes,
    /// Its version, if the store has versions.
    pub etag: Option<Arc<str>>,
    /// From the store, such as [`TTL_EXPIRE_TIME`].
    pub metadata: Metadata,
}

/// The answer for one key of a bulk read.
#[derive(Debug)]
pub struct BulkItem {
    /// The key asked for.
    pub key: String,
    /// Its value, `None` if there is none, or why it could not be read.
    pub result: Result<Option<Stored>, Error>,
}

/// Stores a value.
#[derive(Debug, Clone, Default)]
pub struct SetRequest {
    /// The key.
    pub key: String,
    /// The value, stored as it is.
    pub value: Bytes,
    /// The version the key must have; `None` or empty for any.
    pub etag: Option<String>,
    /// What happens when two writers meet.
    pub options: Options,
    /// For the store, such as `ttlInSeconds`.
    pub metadata: Metadata,
    /// Media type of the value, if the caller gave one.
    pub content_type: Option<String>,
    /// Whether the value came as JSON; otherwise it is bytes of any kind. Some layouts of the target keep the two apart.
    pub json: bool,
}

/// Removes a key.
#[derive(Debug, Clone, Default)]
pub struct DeleteRequest {
    /// The key.
    pub key: String,
    /// The version the key must have; `None` or empty for any.
    pub etag: Option<String>,
    /// What happens when two writers meet.
    pub options: Options,
    /// For the store.
    pub metadata: Metadata,
}

/// One operation of a transaction.
#[derive(Debug, Clone)]
pub enum Operation {
    /// `upsert`
    Upsert(SetRequest),
    /// `delete`
    Delete(DeleteRequest),
}

/// Operations to be done all or nothing.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// In the order they are done.
    pub operations: Vec<Operation>,
    /// For the store.
    pub metadata: Metadata,
}

/// How a bulk request is carried out.
#[derive(Debug, Clone, Copy, Default)]
pub struct BulkOptions {
    /// How many requests a store without bulk requests of its own may have under way at once; `None` for its own
    /// choice.
    pub parallelism: Option<usize>,
}

/// Asks for keys by pattern.
#[derive(Debug, Clone, Default)]
pub struct KeysRequest {
    /// SQL LIKE pattern: `%` any text, `_` any character, `\` takes the next character literally. Must not be empty.
    pub pattern: String,
    /// Where to go on, from [`KeysPage::continuation_token`].
    pub continuation_token: Option<String>,
    /// How many keys to answer at most.
    pub page_size: Option<u32>,
}

/// Keys that match a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysPage {
    /// The keys.
    pub keys: Vec<String>,
    /// Present if there are more.
    pub continuation_token: Option<String>,
}

/// Why a bulk write or removal failed.
#[derive(Debug)]
pub enum BulkError {
    /// The request as a whole: nothing is known of its items.
    Whole(Error),
    /// Some items, by key, in the order of the request; all others succeeded.
    Items(Vec<(String, Error)>),
}

impl BulkError {
    /// `Ok` if no item failed.
    pub fn from_items(failed: Vec<(String, Error)>) -> Result<(), Self> {
        if failed.is_empty() { Ok(()) } else { Err(Self::Items(failed)) }
    }

    /// The kind of the whole failure. When only ETags are to blame, one invalid ETag makes it `EtagInvalid`; otherwise
    /// the first ETag error counts, and `Internal` where there is none.
    pub fn kind(&self) -> ErrorKind {
        let items = match self {
            BulkError::Whole(error) => return error.kind(),
            BulkError::Items(items) => items,
        };
        let mut etags = items.iter().map(|(_, error)| error.kind()).filter(|kind| is_etag(*kind));
        if items.iter().all(|(_, error)| is_etag(error.kind()))
            && etags.clone().any(|kind| kind == ErrorKind::EtagInvalid)
        {
            return ErrorKind::EtagInvalid;
        }
        etags.next().unwrap_or(ErrorKind::Internal)
    }
}

fn is_etag(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::EtagMismatch | ErrorKind::EtagInvalid)
}

impl fmt::Display for BulkError {
    /// One line per failed item; when only ETags are to blame, behind the words for that.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = match self {
            BulkError::Whole(error) => return error.fmt(formatter),
            BulkError::Items(items) => items,
        };
        if items.iter().all(|(_, error)| is_etag(error.kind())) {
            formatter.write_str(match self.kind() {
                ErrorKind::EtagInvalid => "invalid etag value: ",
                _ => "possible etag mismatch. error from state store: ",
            })?;
        }
        for (index, (_, error)) in items.iter().enumerate() {
            write!(formatter, "{}{error}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for BulkError {}

impl From<Error> for BulkError {
    fn from(error: Error) -> Self {
        Self::Whole(error)
    }
}

/// How long a value lives by its request's `ttlInSeconds` (any case): `None` for ever, which is also what zero and
/// negative numbers mean.
pub fn time_to_live(metadata: &Metadata) -> Result<Option<Duration>, Error> {
    let given = metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("ttlInSeconds"));
    let Some(text) = given.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let seconds: i64 = text.parse().map_err(|_| {
        let message = format!("ttlInSeconds must be a whole number of seconds, not {text:?}");
        Error::new(ErrorKind::InvalidArgument, message)
    })?;
    Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs))
}

/// The prefix that [`super::PrefixRemoval`] means: with `||` at its end, and not empty.
pub fn expand_prefix(prefix: &str) -> Result<String, Error> {
    match prefix {
        "" | "||" => Err(Error::new(ErrorKind::InvalidArgument, "a prefix is required for deleteWithPrefix request")),
        complete if complete.ends_with("||") => Ok(complete.to_owned()),
        open => Ok(format!("{open}||")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(key: &str) -> (String, Error) {
        (key.to_owned(), Error::etag_mismatch(key))
    }

    #[test]
    fn bulk_failures_of_etags_alone_are_etag_failures() {
        let both = BulkError::Items(vec![mismatch("a"), ("b".to_owned(), Error::etag_invalid("b"))]);
        assert_eq!(both.kind(), ErrorKind::EtagInvalid);
        let one = BulkError::Items(vec![mismatch("a")]);
        assert_eq!(one.kind(), ErrorKind::EtagMismatch);
        assert_eq!(
            one.to_string(),
            "possible etag mismatch. error from state store: possible etag mismatch. error from state store: a"
        );
    }

    #[test]
    fn a_bulk_failure_with_other_causes_lists_them_line_by_line() {
        let lost = || ("b".to_owned(), Error::new(ErrorKind::Unavailable, "lost"));
        let mixed = BulkError::Items(vec![lost(), mismatch("a")]);
        assert_eq!(mixed.kind(), ErrorKind::EtagMismatch);
        assert_eq!(mixed.to_string(), "lost\npossible etag mismatch. error from state store: a");
        assert_eq!(BulkError::Items(vec![lost()]).kind(), ErrorKind::Internal);
    }

    #[test]
    fn only_a_whole_number_of_seconds_is_a_time_to_live() {
        let read = |text: &str| time_to_live(&Metadata::from([("TTLinSeconds".to_owned(), text.to_owned())]));
        assert_eq!(read("5").unwrap(), Some(Duration::from_secs(5)));
        assert_eq!(read("-1").unwrap(), None);
        assert_eq!(read("0").unwrap(), None);
        assert_eq!(read("").unwrap(), None);
        assert_eq!(time_to_live(&Metadata::new()).unwrap(), None);
        assert_eq!(read("soon").unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert!(read("1.5").is_err());
    }

    #[test]
    fn words_of_the_api_are_read_and_others_refused() {
        assert_eq!(Concurrency::from_word("first-write").unwrap(), Concurrency::FirstWrite);
        assert_eq!(Consistency::from_word("").unwrap(), Consistency::Unspecified);
        let error = Concurrency::from_word("second-write").unwrap_err();
        assert_eq!(error.to_string(), "unrecognized concurrency model 'second-write'");
    }
}

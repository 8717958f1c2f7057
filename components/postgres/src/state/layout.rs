//! The tables of both versions: their statements, and how values and ETags stand in them. Version 1 keeps JSON as `jsonb`
//! (other bytes as text in it), and the row's `xmin` is its ETag; version 2 keeps bytes, and a random UUID is the ETag.
//! Pure.

mod statements;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use component::state::{Concurrency, DeleteRequest, SetRequest, time_to_live};
use component::{Error, ErrorKind};

use super::require_key;
use crate::connection::{Parameter, Query};
use crate::table_name::TableName;

pub(super) use statements::Statements;

/// Where and how state is kept.
pub(super) struct Layout {
    /// Which version this is.
    pub(super) version: Version,
    /// Where the components of a database remember what they did to it.
    pub(super) metadata: TableName,
    /// Where state is.
    pub(super) table: TableName,
    /// What is said to the server.
    pub(super) sql: Statements,
}

/// A version of the component.
pub(super) enum Version {
    V1,
    V2 {
        /// What stands before `state` in the table's name.
        prefix: String,
    },
}

/// A change of one key.
pub(super) enum Change<'a> {
    Write(Write<'a>),
    Removal { key: &'a str, etag: Option<String> },
}

/// A value to be stored.
pub(super) struct Write<'a> {
    key: &'a str,
    value: Cow<'a, [u8]>,
    binary: bool,
    seconds: Option<f64>,
    etag: Option<String>,
    only_new: bool,
}

impl Layout {
    pub(super) fn v1(table: TableName, metadata: TableName) -> Self {
        Self { version: Version::V1, sql: Statements::v1(&table), table, metadata }
    }

    pub(super) fn v2(prefix: &str, table: TableName, metadata: TableName) -> Self {
        Self { version: Version::V2 { prefix: prefix.to_owned() }, sql: Statements::v2(&table), table, metadata }
    }

    /// Whether JSON is kept as such.
    pub(super) fn keeps_json(&self) -> bool {
        matches!(self.version, Version::V1)
    }

    /// The key under which the number of the last migration is kept, and that of the last cleanup.
    pub(super) fn metadata_keys(&self) -> (String, String) {
        match &self.version {
            Version::V1 => ("migrations".to_owned(), "last-cleanup".to_owned()),
            Version::V2 { prefix } => {
                (format!("migrations-state-v2-{prefix}"), format!("last-cleanup-state-v2-{prefix}"))
            }
        }
    }

    /// Reads what is to be stored, and refuses what never can be.
    pub(super) fn write<'a>(&self, request: &'a SetRequest) -> Result<Change<'a>, Error> {
        require_key(&request.key, "set")?;
        let seconds = time_to_live(&request.metadata)?.map(|life| life.as_secs_f64());
        let etag = self.etag(request.etag.as_deref())?;
        let binary = self.keeps_json() && !request.json;
        let value = match binary {
            true => Cow::Owned(format!("\"{}\"", STANDARD.encode(&request.value)).into_bytes()),
            false => Cow::Borrowed(&*request.value),
        };
        let only_new = etag.is_none() && request.options.concurrency == Concurrency::FirstWrite;
        Ok(Change::Write(Write { key: &request.key, value, binary, seconds, etag, only_new }))
    }

    /// Reads what is to be removed.
    pub(super) fn removal<'a>(&self, request: &'a DeleteRequest) -> Result<Change<'a>, Error> {
        require_key(&request.key, "delete")?;
        Ok(Change::Removal { key: &request.key, etag: self.etag(request.etag.as_deref())? })
    }

    /// The ETag as the server writes it; an empty one is none.
    fn etag(&self, given: Option<&str>) -> Result<Option<String>, Error> {
        let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(None) };
        match self.version {
            Version::V1 => match given.parse::<u32>() {
                Ok(number) => Ok(Some(number.to_string())),
                Err(error) => Err(Error::etag_invalid(format_args!("parsing {given:?}: {error}"))),
            },
            Version::V2 { .. } => match uuid::Uuid::try_parse(given) {
                Ok(number) => Ok(Some(number.to_string())),
                Err(error) => Err(Error::etag_mismatch(format_args!("invalid UUID: {error}"))),
            },
        }
    }

    /// What is said to the server.
    pub(super) fn query<'a>(&'a self, change: &'a Change<'_>) -> Query<'a> {
        match change {
            Change::Write(write) => self.write_query(write, write.etag.as_deref(), write.only_new),
            Change::Removal { key, etag: None } => Query::new(&self.sql.remove, [Parameter::Text(key)]),
            Change::Removal { key, etag: Some(etag) } => {
                Query::new(&self.sql.remove_version, [Parameter::Text(key), Parameter::Text(etag)])
            }
        }
    }

    /// The same, once it is certain that the change is allowed.
    pub(super) fn unconditional_query<'a>(&'a self, change: &'a Change<'_>) -> Query<'a> {
        match change {
            Change::Write(write) => self.write_query(write, None, false),
            Change::Removal { key, .. } => Query::new(&self.sql.remove, [Parameter::Text(key)]),
        }
    }

    fn write_query<'a>(&'a self, write: &'a Write<'_>, etag: Option<&'a str>, only_new: bool) -> Query<'a> {
        let mut parameters =
            vec![Parameter::Text(write.key), Parameter::Bytes(&write.value), Parameter::Number(write.seconds)];
        if self.keeps_json() {
            parameters.push(Parameter::Bool(write.binary));
        }
        let sql = match etag {
            Some(etag) => {
                parameters.push(Parameter::Text(etag));
                &self.sql.update
            }
            None if only_new => &self.sql.insert,
            None => &self.sql.upsert,
        };
        Query { sql, parameters }
    }
}

impl Change<'_> {
    pub(super) fn key(&self) -> &str {
        match self {
            Change::Write(write) => write.key,
            Change::Removal { key, .. } => key,
        }
    }

    /// The version the key must have.
    pub(super) fn expected(&self) -> Option<&str> {
        match self {
            Change::Write(write) => write.etag.as_deref(),
            Change::Removal { etag, .. } => etag.as_deref(),
        }
    }

    /// Whether the key must not be there.
    pub(super) fn only_new(&self) -> bool {
        matches!(self, Change::Write(Write { only_new: true, .. }))
    }

    /// Whether it was done, by the number of rows it changed.
    pub(super) fn judge(&self, rows: u64) -> Result<(), Error> {
        match self {
            _ if rows == 1 => Ok(()),
            Change::Removal { etag: None, .. } => Ok(()),
            Change::Write(Write { etag: None, .. }) => Err(exists()),
            _ => Err(mismatch()),
        }
    }
}

/// Another version is stored. The words are the target's, which end here.
pub(super) fn mismatch() -> Error {
    Error::new(ErrorKind::EtagMismatch, "possible etag mismatch. error from state store")
}

/// A first write met a value.
pub(super) fn exists() -> Error {
    Error::etag_mismatch("item already exists and no etag was passed")
}

#[cfg(test)]
mod tests {
    use component::Metadata;

    use super::*;

    fn layouts() -> [Layout; 2] {
        let name = |text| TableName::parse("", text).unwrap();
        [Layout::v1(name("state"), name("m")), Layout::v2("my_", name("my_state"), name("m"))]
    }

    fn request(json: bool) -> SetRequest {
        SetRequest { key: "k".to_owned(), value: "{\"a\":1}".into(), json, ..SetRequest::default() }
    }

    fn stored(layout: &Layout, request: &SetRequest) -> (Vec<u8>, bool) {
        let Change::Write(write) = layout.write(request).unwrap() else { panic!("a write") };
        (write.value.into_owned(), write.binary)
    }

    #[test]
    fn version_1_keeps_json_as_it_is_and_other_bytes_as_base64() {
        let [v1, v2] = layouts();
        assert_eq!(stored(&v1, &request(true)), (b"{\"a\":1}".to_vec(), false));
        assert_eq!(stored(&v1, &request(false)), (b"\"eyJhIjoxfQ==\"".to_vec(), true));
        for json in [true, false] {
            assert_eq!(stored(&v2, &request(json)), (b"{\"a\":1}".to_vec(), false));
        }
    }

    #[test]
    fn etags_that_cannot_be_are_told_as_the_target_tells_them() {
        let [v1, v2] = layouts();
        let kind = |layout: &Layout, etag: &str| layout.etag(Some(etag)).err().map(|error| error.kind());
        assert_eq!(kind(&v1, "x"), Some(ErrorKind::EtagInvalid));
        assert_eq!(kind(&v1, "4294967296"), Some(ErrorKind::EtagInvalid));
        assert_eq!(kind(&v2, "x"), Some(ErrorKind::EtagMismatch));
        assert_eq!(v1.etag(Some("007")).unwrap().as_deref(), Some("7"));
        assert_eq!(v1.etag(Some("")).unwrap(), None);
    }

    #[test]
    fn keys_in_the_metadata_table_are_the_targets() {
        let [v1, v2] = layouts();
        assert_eq!(v1.metadata_keys(), ("migrations".to_owned(), "last-cleanup".to_owned()));
        let keys = ("migrations-state-v2-my_".to_owned(), "last-cleanup-state-v2-my_".to_owned());
        assert_eq!(v2.metadata_keys(), keys);
    }

    #[test]
    fn what_can_never_be_stored_is_refused() {
        let [v1, _] = layouts();
        let nameless = SetRequest { key: String::new(), ..request(true) };
        assert_eq!(v1.write(&nameless).err().unwrap().to_string(), "missing key in set operation");
        let metadata = Metadata::from([("ttlInSeconds".to_owned(), "soon".to_owned())]);
        assert!(v1.write(&SetRequest { metadata, ..request(true) }).is_err());
    }
}

//! How far a rotation has come, as it is written beside the bundle (`rotation.json`). The format has a version: what a later
//! version of Trilby wrote is refused, not guessed at.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the format that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A later version of Trilby has written it.
    Newer(u32),
    /// It is no record.
    Malformed(String),
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer(version) => write!(
                formatter,
                "the state of the rotation has format {version}, and this version of Trilby reads {VERSION}: use the version \
                 that wrote it, or a later one"
            ),
            Self::Malformed(reason) => write!(formatter, "the state of the rotation cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for RecordError {}

/// A successor whose root is distributed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Successor {
    /// The fingerprint of its root.
    pub root: String,
    /// Since when.
    pub distributed: Timestamp,
}

/// A root of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retiring {
    /// Its fingerprint.
    pub root: String,
    /// When it can go.
    pub after: Timestamp,
}

/// How far a rotation has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    version: u32,
    /// Fingerprints of roots that sentry has made.
    #[serde(default)]
    pub made: Vec<String>,
    /// What is to sign next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Successor>,
    /// Roots of the past.
    #[serde(default)]
    pub retiring: Vec<Retiring>,
}

impl Default for Record {
    fn default() -> Self {
        Self { version: VERSION, made: Vec::new(), next: None, retiring: Vec::new() }
    }
}

impl Record {
    /// Reads what was written; without anything written nothing has begun.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(text: Option<&[u8]>) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Some(text) = text else { return Ok(Self::default()) };
        let malformed = |error: serde_json::Error| RecordError::Malformed(error.to_string());
        let Versioned { version } = serde_json::from_slice(text).map_err(malformed)?;
        match version {
            VERSION => serde_json::from_slice(text).map_err(malformed),
            0 => Err(RecordError::Malformed("there is no format 0".to_owned())),
            newer => Err(RecordError::Newer(newer)),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// A moment as it is written: to the second.
pub(super) fn written(moment: SystemTime) -> Timestamp {
    Timestamp::try_from(moment)
        .ok()
        .and_then(|moment| Timestamp::from_second(moment.as_second()).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            next: Some(Successor { root: "ab".to_owned(), distributed: written(SystemTime::now()) }),
            retiring: vec![Retiring { root: "cd".to_owned(), after: written(SystemTime::now()) }],
            made: vec!["ab".to_owned()],
            ..Record::default()
        };
        assert_eq!(Record::read(Some(&record.write())).unwrap(), record);
        assert_eq!(Record::read(None).unwrap(), Record::default());
    }

    #[test]
    fn what_a_later_version_wrote_is_refused() {
        let later = br#"{"version": 2, "made": {"other": "shape"}}"#;
        assert_eq!(Record::read(Some(later)).unwrap_err(), RecordError::Newer(2));
        assert!(matches!(Record::read(Some(b"{}")), Err(RecordError::Malformed(_))));
        assert!(matches!(Record::read(Some(b"")), Err(RecordError::Malformed(_))));
    }
}

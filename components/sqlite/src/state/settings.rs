//! The metadata of `state.sqlite`, checked. Read once when the store is made; must not touch the file.

use std::time::Duration;

use component::{Error, ErrorKind, Properties, Settings};

use crate::connection::{ConnectionSettings, Location, is_identifier};

/// The metadata of `state.sqlite`.
#[derive(Settings)]
pub(crate) struct SqliteSettings {
    /// Path of the file or a `file:` address with options; `:memory:` keeps nothing. The target's driver options
    /// `_pragma` (except busy_timeout, journal_mode and foreign_keys) work as there.
    #[setting(aliases("url"))]
    connection_string: String,
    /// How long a request may take, waiting for other writers included.
    #[setting(aliases("timeoutInSeconds"), default = "20s")]
    timeout: Duration,
    /// How long SQLite itself waits for a lock before the store looks whether somebody still waits for the answer, and
    /// tries again until the timeout.
    #[setting(default = "2s")]
    busy_timeout: Duration,
    /// Keeps a rollback journal instead of a write-ahead log, for files on a network file system.
    #[setting(name = "disableWAL")]
    disable_wal: bool,
    /// Name of the table with the values: letters, digits and underscores.
    #[setting(default = "state")]
    table_name: String,
    /// Name of the table with the version of the tables: letters, digits and underscores.
    #[setting(default = "metadata")]
    metadata_table_name: String,
    /// How often values whose time is over are deleted; zero is never. They are not shown in either case.
    #[setting(aliases("cleanupIntervalInSeconds"), default = "0s")]
    cleanup_interval: Duration,
}

/// What the settings come to.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where the file is.
    pub(super) location: Location,
    /// How long a request may take.
    pub(super) timeout: Duration,
    /// Table of the values.
    pub(super) table: String,
    /// Table of the version.
    pub(super) metadata_table: String,
    /// How often to clean up; zero is never.
    pub(super) cleanup_interval: Duration,
}

impl Plan {
    /// Reads and checks the metadata.
    ///
    /// # Errors
    /// `InvalidArgument`, in the target's words where it has some.
    pub(super) fn read(properties: &Properties) -> Result<Self, Error> {
        let settings = SqliteSettings::parse(properties)?;
        if settings.connection_string.is_empty() {
            return Err(refused("missing connection string"));
        }
        if settings.timeout < Duration::from_secs(1) {
            return Err(refused("invalid value for 'timeout': must be greater than 1s"));
        }
        for name in [&settings.table_name, &settings.metadata_table_name] {
            if !is_identifier(name) {
                return Err(refused(format!("invalid identifier: {name}")));
            }
        }
        let connection = ConnectionSettings {
            connection_string: settings.connection_string,
            timeout: settings.timeout,
            busy_timeout: settings.busy_timeout,
            disable_journal_ahead: settings.disable_wal,
        };
        Ok(Self {
            location: connection.location().map_err(|error| refused(error.to_string()))?,
            timeout: settings.timeout,
            table: settings.table_name,
            metadata_table: settings.metadata_table_name,
            cleanup_interval: settings.cleanup_interval,
        })
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Plan, Error> {
        Plan::read(&Properties::from_iter(pairs.iter().copied()))
    }

    #[test]
    fn defaults_are_those_of_the_target() {
        let plan = read(&[("url", "a.db")]).unwrap();
        assert_eq!((plan.table.as_str(), plan.metadata_table.as_str()), ("state", "metadata"));
        assert_eq!((plan.timeout, plan.cleanup_interval), (Duration::from_secs(20), Duration::ZERO));
        assert!(plan.location.journal_ahead && plan.location.synchronous.is_none());
    }

    #[test]
    fn what_cannot_work_is_refused_in_the_words_of_the_target() {
        let message = |pairs: &[(&str, &str)]| read(pairs).unwrap_err().to_string();
        assert_eq!(message(&[]), "missing connection string");
        let file = ("connectionString", "a.db");
        assert_eq!(message(&[file, ("timeout", "500ms")]), "invalid value for 'timeout': must be greater than 1s");
        assert_eq!(message(&[file, ("tableName", "a;drop")]), "invalid identifier: a;drop");
        assert_eq!(message(&[file, ("metadataTableName", "not.valid")]), "invalid identifier: not.valid");
        let error = message(&[("connectionString", "a.db?_pragma=journal_mode(OFF)")]);
        assert!(error.starts_with("found forbidden option '_pragma=journal_mode"), "{error}");
    }

    #[test]
    fn aliases_and_seconds_are_read() {
        let plan = read(&[("url", "a.db"), ("timeoutInSeconds", "5"), ("cleanupIntervalInSeconds", "90")]).unwrap();
        assert_eq!((plan.timeout, plan.cleanup_interval), (Duration::from_secs(5), Duration::from_secs(90)));
        assert!(!read(&[("url", "a.db"), ("disableWAL", "true")]).unwrap().location.journal_ahead);
    }
}

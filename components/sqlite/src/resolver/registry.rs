//! The tables of the registry and every statement on them, as the target has them. Only the worker's thread calls it;
//! it must not wait for anything but the file.

use component::resolver::{Error, Instance};
use rusqlite::{Connection, OptionalExtension, params};

use super::LOG_NAME;
use super::settings::Settings;
use crate::connection::is_busy;

/// More instances of one app than this are not told.
const MAX_ADDRESSES: usize = 64;

/// The open file.
#[derive(Debug)]
pub(super) struct Registry {
    connection: Connection,
    table: String,
    metadata_table: String,
    valid_seconds: u64,
    cleanup_seconds: u64,
}

/// This instance's own entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    id: String,
    address: String,
    app_id: String,
}

/// What a renewal found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The entry was there.
    Renewed,
    /// Somebody deleted the entry; it is there again.
    Restored,
    /// Another process lives at the address.
    Taken,
}

impl Entry {
    pub(super) fn new(instance: &Instance) -> Self {
        let bare = instance.address.trim_start_matches('[').trim_end_matches(']');
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            address: format!("{host}:{}", instance.internal_port),
            app_id: instance.app_id.clone(),
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Registry {
    /// Opens the file and brings its tables to what this version needs.
    pub(super) fn open(settings: &Settings) -> Result<Self, OpenError> {
        let location = settings.connection.location().map_err(OpenError::Settings)?;
        let connection = location.open().map_err(OpenError::from_sqlite("failed to create connection"))?;
        // A registration that a power cut loses is worth nothing anyway: do not wait for the disk.
        let relaxed = connection.pragma_update(None, "synchronous", "NORMAL");
        relaxed.map_err(OpenError::from_sqlite("failed to create connection"))?;
        let mut registry = Self {
            connection,
            table: settings.table.clone(),
            metadata_table: settings.metadata_table.clone(),
            valid_seconds: settings.update_interval.as_secs(),
            cleanup_seconds: settings.cleanup_interval.as_secs(),
        };
        registry.migrate()?;
        Ok(registry)
    }

    /// Creates the tables if no process did. The version in the metadata table is shared with the target.
    fn migrate(&mut self) -> Result<(), OpenError> {
        let failed = || OpenError::from_sqlite("failed to perform migrations");
        let (table, metadata) = (&self.table, &self.metadata_table);
        let behavior = rusqlite::TransactionBehavior::Exclusive;
        let transaction = self.connection.transaction_with_behavior(behavior).map_err(failed())?;
        let create_metadata =
            format!("CREATE TABLE IF NOT EXISTS {metadata} (key text NOT NULL PRIMARY KEY, value text NOT NULL)");
        transaction.execute_batch(&create_metadata).map_err(failed())?;
        let read_version = format!("SELECT value FROM {metadata} WHERE key = 'nr-migrations'");
        let version: Option<String> =
            transaction.query_row(&read_version, [], |row| row.get(0)).optional().map_err(failed())?;
        let version = match version {
            None => 0,
            Some(text) => text.parse::<u32>().map_err(|_| OpenError::unknown_version(&text))?,
        };
        if version == 0 {
            tracing::info!(target: "dapr.contrib", component = LOG_NAME, "Creating hosts table '{table}'");
            let create = format!(
                "CREATE TABLE {table} (registration_id TEXT NOT NULL PRIMARY KEY, address TEXT NOT NULL, \
                 app_id TEXT NOT NULL, namespace TEXT NOT NULL, last_update INTEGER NOT NULL); \
                 CREATE UNIQUE INDEX {table}_address_idx ON {table} (address); \
                 CREATE INDEX {table}_last_update_idx ON {table} (last_update); \
                 REPLACE INTO {metadata} (key, value) VALUES ('nr-migrations', '1')"
            );
            transaction.execute_batch(&create).map_err(failed())?;
        }
        transaction.commit().map_err(failed())
    }

    /// Writes the entry, in place of whatever was registered at its address.
    pub(super) fn register(&self, entry: &Entry) -> rusqlite::Result<()> {
        let statement = format!(
            "REPLACE INTO {} (registration_id, address, app_id, namespace, last_update) \
             VALUES (?, ?, ?, '', unixepoch(CURRENT_TIMESTAMP))",
            self.table
        );
        self.connection.prepare_cached(&statement)?.execute(params![entry.id, entry.address, entry.app_id])?;
        Ok(())
    }

    /// Says that the entry still holds.
    pub(super) fn renew(&self, entry: &Entry) -> rusqlite::Result<Renewal> {
        let statement = format!(
            "UPDATE {} SET last_update = unixepoch(CURRENT_TIMESTAMP) WHERE registration_id = ? AND address = ?",
            self.table
        );
        if self.connection.prepare_cached(&statement)?.execute(params![entry.id, entry.address])? > 0 {
            return Ok(Renewal::Renewed);
        }
        if self.is_taken(entry)? {
            return Ok(Renewal::Taken);
        }
        // After a pause of the whole machine others have rightly deleted the entry.
        self.register(entry)?;
        Ok(Renewal::Restored)
    }

    fn is_taken(&self, entry: &Entry) -> rusqlite::Result<bool> {
        let statement = format!(
            "SELECT 1 FROM {} WHERE address = ? AND unixepoch(CURRENT_TIMESTAMP) - last_update < {}",
            self.table, self.valid_seconds
        );
        self.connection.prepare_cached(&statement)?.exists(params![entry.address])
    }

    /// The addresses of an app whose entries hold, in random order.
    pub(super) fn addresses(&self, app_id: &str) -> rusqlite::Result<Vec<String>> {
        let statement = format!(
            "SELECT address FROM {} WHERE app_id = ? AND unixepoch(CURRENT_TIMESTAMP) - last_update < {} \
             ORDER BY RANDOM() LIMIT {MAX_ADDRESSES}",
            self.table, self.valid_seconds
        );
        let mut statement = self.connection.prepare_cached(&statement)?;
        let rows = statement.query_map(params![app_id], |row| row.get(0))?;
        rows.collect()
    }

    /// Deletes what does not hold any more, unless a process did so within the interval; how many, if it did.
    pub(super) fn clean_up(&self) -> rusqlite::Result<Option<usize>> {
        let claim = format!(
            "INSERT INTO {} (key, value) VALUES ('nr-last-cleanup', CURRENT_TIMESTAMP) \
             ON CONFLICT (key) DO UPDATE SET value = CURRENT_TIMESTAMP \
             WHERE unixepoch(CURRENT_TIMESTAMP) - unixepoch(value) > ?",
            self.metadata_table
        );
        if self
            .connection
            .execute(&claim, [i64::try_from(self.cleanup_seconds).unwrap_or(i64::MAX).saturating_sub(1)])?
            == 0
        {
            return Ok(None);
        }
        let delete = format!(
            "DELETE FROM {} WHERE unixepoch(CURRENT_TIMESTAMP) - last_update >= {}",
            self.table, self.valid_seconds
        );
        self.connection.execute(&delete, []).map(Some)
    }

    /// Takes the entry out; whether it was there.
    pub(super) fn remove(&self, entry: &Entry) -> rusqlite::Result<bool> {
        let statement = format!("DELETE FROM {} WHERE registration_id = ? AND address = ?", self.table);
        Ok(self.connection.execute(&statement, params![entry.id, entry.address])? > 0)
    }
}

/// Why a registry could not be opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// Another process holds the file; it will let go.
    Busy(String),
    /// The settings are wrong.
    Settings(Error),
    /// The file cannot be used.
    Broken(String),
}

impl OpenError {
    fn from_sqlite(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |error| {
            let message = format!("{action}: {error}");
            if is_busy(&error) { Self::Busy(message) } else { Self::Broken(message) }
        }
    }

    fn unknown_version(text: &str) -> Self {
        let message = format!("invalid migration level found in metadata table: {text}");
        Self::Broken(format!("failed to perform migrations: {message}"))
    }
}

//! The tables of `state.sqlite` and every statement on them, as the target has them, so that either side reads the
//! other's file. Called on the threads that own a connection; it must not wait for anything but the file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use component::Metadata;
use component::state::{KeysPage, Stored, TTL_EXPIRE_TIME};
use rusqlite::{Connection, OptionalExtension, params};

use super::pattern::Glob;
use super::settings::Plan;
use super::step::{Put, Removal, Step};

/// How the metadata table names the version of the tables.
const VERSION_KEY: &str = "migrations";
/// How many ended values are deleted in one go, so that others can write in between.
const CLEANUP_PORTION: usize = 1000;

/// Statements for one pair of tables.
#[derive(Debug, Clone)]
pub(super) struct Table {
    name: String,
    metadata: String,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// It is done.
    Yes,
    /// The value has another ETag, or there is none.
    Mismatch,
}

/// Asks for a page of keys.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) glob: Glob,
    /// Go on behind this row.
    pub(super) after: Option<i64>,
    pub(super) limit: Option<u32>,
}

impl Table {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { name: plan.table.clone(), metadata: plan.metadata_table.clone() }
    }

    /// Creates what is missing. Says in the target's words what was done.
    pub(super) fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<Vec<String>> {
        let Self { name, metadata } = self;
        let behavior = rusqlite::TransactionBehavior::Exclusive;
        let transaction = connection.transaction_with_behavior(behavior)?;
        let mut created = Vec::new();
        let find = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
        if !transaction.prepare(find)?.exists([metadata])? {
            transaction.execute_batch(&format!(
                "CREATE TABLE {metadata} (\n\t\t\tkey text NOT NULL PRIMARY KEY,\n\t\t\tvalue text NOT NULL\n\t\t)"
            ))?;
            created.push(format!("Creating metadata table '{metadata}' if it doesn't exist"));
        }
        if self.version(&transaction)? == 0 {
            transaction.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS {name} (\n\t\t\t\t\t\t\tkey TEXT NOT NULL PRIMARY KEY,\n\t\t\t\t\t\t\t\
                 value TEXT NOT NULL,\n\t\t\t\t\t\t\tis_binary BOOLEAN NOT NULL,\n\t\t\t\t\t\t\t\
                 etag TEXT NOT NULL,\n\t\t\t\t\t\t\texpiration_time TIMESTAMP DEFAULT NULL,\n\t\t\t\t\t\t\t\
                 update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP\n\t\t\t\t\t\t)"
            ))?;
            transaction
                .execute(&format!("REPLACE INTO {metadata} (key, value) VALUES ('{VERSION_KEY}', ?)"), params!["1"])?;
            created.extend(["Performing migration 1".to_owned(), format!("Creating state table '{name}'")]);
        }
        transaction.commit()?;
        Ok(created)
    }

    fn version(&self, connection: &Connection) -> rusqlite::Result<u32> {
        let read = format!("SELECT value FROM {} WHERE key = '{VERSION_KEY}'", self.metadata);
        let text: Option<String> = connection.query_row(&read, [], |row| row.get(0)).optional()?;
        let Some(text) = text else { return Ok(0) };
        text.parse().map_err(|_| {
            let message = format!("invalid migration level found in metadata table: {text}");
            rusqlite::Error::ToSqlConversionFailure(message.into())
        })
    }

    /// The value of a key whose time is not over.
    pub(super) fn get(&self, connection: &Connection, key: &str) -> rusqlite::Result<Option<Stored>> {
        let select = format!(
            "SELECT value, is_binary, etag, strftime('%Y-%m-%dT%H:%M:%SZ', expiration_time) FROM {} \
             WHERE key = ? AND (expiration_time IS NULL OR expiration_time > CURRENT_TIMESTAMP)",
            self.name
        );
        let mut select = connection.prepare_cached(&select)?;
        select.query_row([key], stored).optional()
    }

    /// Does one step.
    pub(super) fn apply(&self, connection: &Connection, step: &Step) -> rusqlite::Result<Done> {
        match step {
            Step::Put(put) => self.put(connection, put),
            Step::Remove(removal) => self.remove(connection, removal),
        }
    }

    fn put(&self, connection: &Connection, put: &Put) -> rusqlite::Result<Done> {
        let Self { name, .. } = self;
        let (value, is_binary) = encoded(put);
        let etag = uuid::Uuid::new_v4().to_string();
        let end = match put.life_seconds {
            Some(seconds) => format!("DATETIME(CURRENT_TIMESTAMP, '+{seconds} seconds')"),
            None => "NULL".to_owned(),
        };
        let alive = "(expiration_time IS NULL OR expiration_time > CURRENT_TIMESTAMP)";
        let changed = match &put.etag {
            Some(given) => {
                let update = format!(
                    "UPDATE {name} SET value = ?, etag = ?, is_binary = ?, update_time = CURRENT_TIMESTAMP, \
                     expiration_time = {end} WHERE key = ? AND etag = ? AND {alive}"
                );
                let mut update = connection.prepare_cached(&update)?;
                update.execute(params![value, etag, is_binary, put.key, given])?
            }
            None => {
                // A value whose time is over is as good as gone, though nobody deleted it yet.
                let condition = match put.first_write {
                    true => format!(" WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE key = ?1 AND {alive})"),
                    false => String::new(),
                };
                let insert = format!(
                    "INSERT OR REPLACE INTO {name} (key, value, is_binary, etag, update_time, expiration_time) \
                     SELECT ?1, ?2, ?3, ?4, CURRENT_TIMESTAMP, {end}{condition}"
                );
                let mut insert = connection.prepare_cached(&insert)?;
                insert.execute(params![put.key, value, is_binary, etag])?
            }
        };
        Ok(if changed == 0 { Done::Mismatch } else { Done::Yes })
    }

    fn remove(&self, connection: &Connection, removal: &Removal) -> rusqlite::Result<Done> {
        let Some(etag) = &removal.etag else {
            let delete = format!("DELETE FROM {} WHERE key = ?", self.name);
            connection.prepare_cached(&delete)?.execute([&removal.key])?;
            return Ok(Done::Yes);
        };
        let delete = format!("DELETE FROM {} WHERE key = ? AND etag = ?", self.name);
        let deleted = connection.prepare_cached(&delete)?.execute([&removal.key, etag])?;
        Ok(if deleted == 0 { Done::Mismatch } else { Done::Yes })
    }

    /// The keys that match, in the order of their rows, and where to go on if there are more.
    pub(super) fn keys(&self, connection: &Connection, listing: &Listing) -> rusqlite::Result<KeysPage> {
        let select = format!(
            "SELECT key, rowid FROM {} WHERE key GLOB ? AND rowid > ? \
             AND (expiration_time IS NULL OR expiration_time > CURRENT_TIMESTAMP) ORDER BY rowid LIMIT ?",
            self.name
        );
        let mut select = connection.prepare_cached(&select)?;
        // One more than asked for tells whether there are more; a negative limit is none.
        let limit = listing.limit.map_or(-1, |limit| i64::from(limit) + 1);
        let after = listing.after.unwrap_or(i64::MIN);
        let mut rows = select.query(params![listing.glob.as_str(), after, limit])?;
        let mut page = KeysPage::default();
        let mut last = after;
        let wanted = listing.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        while let Some(row) = rows.next()? {
            if page.keys.len() == wanted {
                page.continuation_token = Some(last.to_string());
                break;
            }
            page.keys.push(row.get(0)?);
            last = row.get(1)?;
        }
        Ok(page)
    }

    /// Whether it is our turn to clean up: no process did so within the interval. Says so to the others.
    pub(super) fn claim_cleanup(&self, connection: &Connection, interval_millis: i64) -> rusqlite::Result<bool> {
        let claim = format!(
            "INSERT INTO {} (key, value) VALUES ('last-cleanup', CURRENT_TIMESTAMP) \
             ON CONFLICT (key) DO UPDATE SET value = CURRENT_TIMESTAMP \
             WHERE (unixepoch(CURRENT_TIMESTAMP) - unixepoch(value)) * 1000 > ?",
            self.metadata
        );
        Ok(connection.execute(&claim, [interval_millis])? > 0)
    }

    /// Deletes a portion of the values whose time is over. Says how many, and whether there may be more.
    pub(super) fn clean_up(&self, connection: &Connection) -> rusqlite::Result<(usize, bool)> {
        let delete = format!(
            "DELETE FROM {0} WHERE rowid IN (SELECT rowid FROM {0} WHERE expiration_time IS NOT NULL \
             AND expiration_time < CURRENT_TIMESTAMP LIMIT {CLEANUP_PORTION})",
            self.name
        );
        let deleted = connection.execute(&delete, [])?;
        Ok((deleted, deleted == CLEANUP_PORTION))
    }
}

/// The value as the table has it: JSON as it is, everything else as base64.
fn encoded(put: &Put) -> (String, bool) {
    match std::str::from_utf8(&put.value) {
        Ok(text) if put.json => (text.to_owned(), false),
        _ => (STANDARD.encode(&put.value), true),
    }
}

fn stored(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stored> {
    let value = row.get_ref(0)?.as_bytes()?;
    let data = match row.get(1)? {
        true => STANDARD.decode(value).map_err(|error| {
            let cause = format!("failed to decode binary data: {error}").into();
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, cause)
        })?,
        false => value.to_owned(),
    };
    let etag: String = row.get(2)?;
    let end: Option<String> = row.get(3)?;
    let metadata = end.map(|end| Metadata::from([(TTL_EXPIRE_TIME.to_owned(), end)])).unwrap_or_default();
    Ok(Stored { data: Bytes::from(data), etag: Some(etag.into()), metadata })
}

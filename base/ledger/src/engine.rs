//! The embedded engine below the local ledger (decision: docs/decisions, "the engine of the ledger"): one keyspace of sorted rows with
//! a journal. Used by `local` (snapshots) and `committer` (batches). Everything the engine can be asked goes through here.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{
    KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable, SingleWriterTxDatabase, SingleWriterTxKeyspace,
    SingleWriterWriteTx, Snapshot,
};

use crate::rows::end_and_lease_of;
use crate::table::{Rows, RowsMut, Visit};
use crate::{Error, Moment};

/// What of the engine's journal may wait to be moved into tables: it is read again when a process that was killed starts.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Rows in memory before they are moved into a table.
const MEMORY_BYTES: u64 = 4 << 20;
/// From so many bytes on a value is long.
const LONG_VALUE: u32 = 4 << 10;

/// An open folder.
pub(crate) struct Engine {
    database: SingleWriterTxDatabase,
    keyspace: SingleWriterTxKeyspace,
    folder: PathBuf,
}

impl Engine {
    /// Opens the rows, and makes them if there are none.
    pub(crate) fn open(folder: &Path, cache: u64) -> Result<Self, Error> {
        let open = || {
            let builder = SingleWriterTxDatabase::builder(folder).cache_size(cache);
            builder.max_journaling_size(JOURNAL_BYTES).worker_threads(1).open()
        };
        let database = match open() {
            Err(fjall::Error::Locked) => return Err(Error::Locked(PathBuf::from(folder))),
            // The engine makes its journal before it says that the folder is made, and refuses one that is there by then.
            Err(fjall::Error::Io(error)) if error.kind() == ErrorKind::AlreadyExists && is_blank(folder)? => {
                std::fs::remove_dir_all(folder).map_err(fjall::Error::Io)?;
                open()?
            }
            opened => opened?,
        };
        // A long value lies apart from the tables, so that looking up its neighbours does not read it.
        let apart = || KvSeparationOptions::default().separation_threshold(LONG_VALUE);
        let options =
            || KeyspaceCreateOptions::default().max_memtable_size(MEMORY_BYTES).with_kv_separation(Some(apart()));
        let keyspace = database.keyspace("rows", options)?;
        Ok(Self { database, keyspace, folder: folder.to_owned() })
    }

    /// The rows as they are now, on the disk.
    pub(crate) fn snapshot(&self) -> SnapshotRows<'_> {
        SnapshotRows { snapshot: self.database.read_tx(), keyspace: &self.keyspace }
    }

    /// A batch that will be on the disk when it is committed.
    pub(crate) fn batch(&self) -> BatchRows<'_> {
        let batch = self.database.write_tx().durability(Some(PersistMode::SyncData));
        BatchRows { batch, keyspace: &self.keyspace, is_empty: true, earliest_end: None, ends_changed: false }
    }

    /// How many bytes are used on the disk: the journal is longer than what was written of it.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        used(&self.folder).map_err(|error| Error::Failed(format!("{}: {error}", self.folder.display()).into()))
    }
}

/// Whether no file of a folder holds anything but zeros, as after a first start that was killed on its way.
fn is_blank(folder: &Path) -> Result<bool, fjall::Error> {
    let mut piece = vec![0; 1 << 20];
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !is_blank(&path)? {
                return Ok(false);
            }
            continue;
        }
        let mut file = std::fs::File::open(path)?;
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                break;
            }
            if piece.iter().take(length).any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The blocks that the files below a folder take. A file that goes away meanwhile takes none.
fn used(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => bytes += used(&entry.path())?,
            Ok(found) => bytes += found.blocks() * 512,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Rows of one moment.
pub(crate) struct SnapshotRows<'a> {
    snapshot: Snapshot,
    keyspace: &'a SingleWriterTxKeyspace,
}

impl Rows for SnapshotRows<'_> {
    fn get(&self, row: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.snapshot.get(self.keyspace, row)?.map(Bytes::from))
    }

    fn scan(&self, from: &[u8], until: &[u8], visit: Visit<'_>) -> Result<(), Error> {
        if from >= until {
            return Ok(());
        }
        visit_all(self.snapshot.range(self.keyspace, from..until), visit)
    }
}

fn visit_all(found: fjall::Iter, visit: Visit<'_>) -> Result<(), Error> {
    for guard in found {
        let (row, content) = guard.into_inner()?;
        if !visit(&row, content.into())? {
            break;
        }
    }
    Ok(())
}

/// Rows with changes that are not on the disk yet.
pub(crate) struct BatchRows<'a> {
    batch: SingleWriterWriteTx<'a>,
    keyspace: &'a SingleWriterTxKeyspace,
    is_empty: bool,
    /// The earliest end of a lease that was written.
    pub(crate) earliest_end: Option<Moment>,
    /// Whether a lease was written or removed.
    pub(crate) ends_changed: bool,
}

impl BatchRows<'_> {
    /// Whether nothing was changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Returns when all of it is on the disk.
    pub(crate) fn commit(self) -> Result<(), Error> {
        Ok(self.batch.commit()?)
    }
}

impl Rows for BatchRows<'_> {
    fn get(&self, row: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.batch.get(self.keyspace, row)?.map(Bytes::from))
    }

    fn scan(&self, from: &[u8], until: &[u8], visit: Visit<'_>) -> Result<(), Error> {
        if from >= until {
            return Ok(());
        }
        visit_all(self.batch.range(self.keyspace, from..until), visit)
    }
}

impl RowsMut for BatchRows<'_> {
    fn put(&mut self, row: Vec<u8>, content: Vec<u8>) {
        if let (Some(b'd'), Ok((ends, _))) = (row.first(), end_and_lease_of(&row)) {
            self.ends_changed = true;
            self.earliest_end = Some(self.earliest_end.map_or(ends, |earliest| earliest.min(ends)));
        }
        self.is_empty = false;
        self.batch.insert(self.keyspace, row, content);
    }

    fn remove(&mut self, row: Vec<u8>) {
        self.ends_changed |= row.first() == Some(&b'd');
        self.is_empty = false;
        self.batch.remove(self.keyspace, row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_start_that_was_killed_is_begun_anew_and_a_journal_with_anything_in_it_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let (folder, journal) = (place.path().join("rows"), place.path().join("rows/0.jnl"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("lock"), "").unwrap();
        std::fs::write(&journal, vec![0; 3 << 20]).unwrap();
        drop(Engine::open(&folder, 1 << 20).map_err(|error| error.to_string()).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        let mut bytes = vec![0; 3 << 20];
        bytes[2 << 20] = 1;
        std::fs::write(&journal, &bytes).unwrap();
        assert!(Engine::open(&folder, 1 << 20).is_err());
        assert_eq!(std::fs::read(&journal).unwrap(), bytes);
    }
}

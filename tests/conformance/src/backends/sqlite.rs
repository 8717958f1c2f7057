//! `state.sqlite` on a file of the run, with the write-ahead log and without it.

use std::sync::Arc;

use tempfile::TempDir;

use crate::Capability::{Etag, ExpireTime, KeyListing, Transactions, Ttl};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Ground, Starting, Unavailable};

pub(super) const STATE: &[Backend<StateStores>] = &[backend("sqlite", ahead), backend("sqlite-journal", journal)];

const fn backend(name: &'static str, start: fn() -> Starting) -> Backend<StateStores> {
    Backend {
        name,
        component_type: "state.sqlite",
        version: "v1",
        // The target's store has no removal by prefix, and its suite compares the list of abilities.
        capabilities: &[Etag, Transactions, Ttl, ExpireTime, KeyListing],
        start,
        profile: StateProfile {
            etags: Etags { foreign: "00000000-0000-0000-0000-000000000000", malformed: &[] },
            // SQLite's limit for a text is a billion bytes; bytes become base64.
            limits: Limits { value_bytes: 700_000_000, key_bytes: usize::MAX, nul_in_keys: true },
            shared: true,
            uses_given_clock: false,
        },
    }
}

struct Files {
    folder: TempDir,
    without_log: bool,
}

fn ahead() -> Starting {
    start(false)
}

fn journal() -> Starting {
    start(true)
}

fn start(without_log: bool) -> Starting {
    Box::pin(async move {
        let folder =
            tempfile::tempdir().map_err(|error| Unavailable(format!("no folder for temporary files: {error}")))?;
        Ok(Arc::new(Files { folder, without_log }) as Arc<dyn Ground>)
    })
}

impl Ground for Files {
    fn properties(&self) -> Vec<(String, String)> {
        let path = self.folder.path().join("state.db").display().to_string();
        vec![("connectionString".to_owned(), path), ("disableWAL".to_owned(), self.without_log.to_string())]
    }
}

//! Following changes: a reader of the rows of changes that waits for the next revision. It holds nothing but its place, so
//! that a slow reader costs no memory. Made by `local`.

use async_trait::async_trait;
use tokio::sync::watch::Receiver;

use crate::local::Readers;
use crate::read::{self, Place};
use crate::{Error, Events, Keys, Watch};

/// How many changes are looked at, and how many bytes of values are taken, at once.
const AT_ONCE: (usize, usize) = (512, 4 << 20);

/// A reader of changes.
pub(crate) struct LocalWatch {
    readers: Readers,
    revision: Receiver<u64>,
    keys: Keys,
    place: Place,
}

impl LocalWatch {
    pub(crate) fn new(readers: Readers, keys: Keys, from: u64) -> Self {
        let revision = readers.revision();
        Self { readers, revision, keys, place: Place { revision: from, number: 0 } }
    }
}

#[async_trait]
impl Watch for LocalWatch {
    async fn next(&mut self) -> Result<Events, Error> {
        loop {
            let known = *self.revision.borrow_and_update();
            while self.place.revision <= known {
                let engine = self.readers.engine()?;
                let (events, place, is_full) = read::changes(&engine.snapshot(), &self.keys, self.place, AT_ONCE)?;
                self.place = place;
                if !events.is_empty() {
                    return Ok(Events { revision: place.revision.saturating_sub(1), events });
                }
                if !is_full {
                    break;
                }
            }
            if self.revision.changed().await.is_err() {
                return Err(self.readers.engine().err().unwrap_or(Error::Closed));
            }
        }
    }
}

//! A key set in a file, read again when the file changes. Made by `jwks`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use component::{Error, Host};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{KeySet, MAX_SET, failed};
use crate::key::Key;
use crate::local_keys::{KeySource, not_found};

/// Changes that come within this time of each other are one: files are written in several steps.
const TOGETHER: Duration = Duration::from_millis(100);

/// The key set as it was last read.
pub(super) struct FileSet {
    keys: Arc<RwLock<Arc<KeySet>>>,
    closed: CancellationToken,
}

impl FileSet {
    /// Reads the file and follows it from then on. As in the target, a file that cannot be followed is used as it is.
    ///
    /// # Errors
    /// When the file cannot be read now.
    pub(super) async fn open(path: PathBuf, host: &Host) -> Result<Self, Error> {
        // Watched before it is read, so that no change falls between the two.
        let watcher = watch(&path);
        let first = read(&path).await.map_err(failed)?;
        let set = Self { keys: Arc::new(RwLock::new(Arc::new(first))), closed: CancellationToken::new() };
        match watcher {
            Ok((watcher, changed)) => {
                let (keys, closed) = (Arc::clone(&set.keys), set.closed.clone());
                host.tasks.spawn("following a key set", async move {
                    let _ = closed.run_until_cancelled(follow(&path, changed, &keys)).await;
                    drop(watcher);
                });
            }
            Err(error) => tracing::error!(
                target: "dapr.contrib",
                "Error while watching for changes to the local JWKS file: {error}"
            ),
        }
        Ok(set)
    }
}

#[async_trait::async_trait]
impl KeySource for FileSet {
    async fn key(&self, name: &str) -> Result<Arc<Key>, Error> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        keys.find(name).ok_or_else(not_found)
    }

    fn close(&self) {
        self.closed.cancel();
    }
}

async fn read(path: &Path) -> Result<KeySet, String> {
    let mut content = Zeroizing::new(Vec::new());
    let limit = u64::try_from(MAX_SET).unwrap_or(u64::MAX);
    let read = async { tokio::fs::File::open(path).await?.take(limit + 1).read_to_end(&mut content).await };
    let length = read.await.map_err(|error| format!("failed to read JWKS file: {error}"))?;
    if length > MAX_SET {
        return Err(format!("failed to read JWKS file: it is longer than {MAX_SET} bytes"));
    }
    KeySet::read(&content).map_err(|error| format!("failed to parse JWKS file: {error}"))
}

/// Observes the folder: a file is replaced by renaming another, and mounted secrets by turning a link.
fn watch(path: &Path) -> notify::Result<(RecommendedWatcher, mpsc::Receiver<()>)> {
    let (say, changed) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.as_ref().map_or(true, |event| !matches!(event.kind, EventKind::Access(_))) {
            // Full: a change that nobody has looked at yet will be looked at.
            let _ = say.try_send(());
        }
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
    Ok((watcher, changed))
}

async fn follow(path: &Path, mut changed: mpsc::Receiver<()>, keys: &RwLock<Arc<KeySet>>) {
    while changed.recv().await.is_some() {
        tokio::time::sleep(TOGETHER).await;
        while changed.try_recv().is_ok() {}
        match read(path).await {
            Ok(fresh) => {
                tracing::debug!(target: "dapr.contrib", "Reloading JWKS file from disk");
                *keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
            }
            Err(error) => tracing::error!(target: "dapr.contrib", "Error reading JWKS from disk: {error}"),
        }
    }
}

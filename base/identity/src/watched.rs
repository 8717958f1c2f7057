//! Files that somebody else replaces: certificates, keys, trust anchors. Says when something happened to them; reading them is
//! the caller's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Changes that come within this time of each other are told as one: files are replaced one after the other.
const TOGETHER: Duration = Duration::from_millis(100);

/// Some files under observation, until dropped.
#[derive(Debug)]
pub struct Watched {
    happened: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

/// Observes files. Their folders must exist; the files need not. It is the folders that are observed, since a file is
/// replaced by renaming another one, and mounted secrets by turning a link.
///
/// # Errors
/// A sentence that names the folder.
pub fn watch_files<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<Watched, String> {
    let (say, happened) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let matters = event.as_ref().map_or(true, |event| !matches!(event.kind, EventKind::Access(_)));
        if matters {
            // Full: a change that nobody has looked at yet will be looked at.
            let _ = say.try_send(());
        }
    })
    .map_err(|error| format!("files cannot be watched: {error}"))?;
    let folders: BTreeSet<PathBuf> = files.into_iter().map(folder_of).collect();
    for folder in folders {
        let watched = watcher.watch(&folder, RecursiveMode::NonRecursive);
        watched.map_err(|error| format!("the folder '{}' cannot be watched: {error}", folder.display()))?;
    }
    Ok(Watched { happened, _watcher: watcher })
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

impl Watched {
    /// Waits until something happened in a folder of the files and a moment has passed.
    pub async fn changed(&mut self) {
        if self.happened.recv().await.is_none() {
            return std::future::pending().await;
        }
        tokio::time::sleep(TOGETHER).await;
        while self.happened.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        std::fs::write(&file, "old").unwrap();
        let mut watched = watch_files([file.as_path()]).unwrap();
        std::fs::write(folder.path().join("new"), "new").unwrap();
        std::fs::rename(folder.path().join("new"), &file).unwrap();
        tokio::time::timeout(Duration::from_secs(5), watched.changed()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    }

    #[tokio::test]
    async fn a_missing_folder_is_named() {
        let error = watch_files([Path::new("/nowhere/at/all/ca.crt")]).unwrap_err();
        assert!(error.contains("/nowhere/at/all"), "{error}");
    }
}

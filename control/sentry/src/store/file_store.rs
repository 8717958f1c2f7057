//! A bundle in files, by default all in one folder. Reading follows links. What is new is written as plain files, each of them
//! complete before it has its name; what replaces something goes through `turned_link`, since a key and its certificate must
//! change in the same moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use identity::{Watched, watch_files};
use tokio::sync::Mutex;

use super::turned_link::TurnedLink;
use super::{Change, Contents, Part, Store, StoreError};

/// What only the owner may read and write.
pub(super) const PRIVATE: u32 = 0o600;

/// The folder of a bundle, and the names of its files there. An absolute name is a file elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNames {
    /// The folder.
    pub folder: PathBuf,
    /// The trust anchors.
    pub anchors: PathBuf,
    /// The issuer's certificates.
    pub issuer_certificate: PathBuf,
    /// The issuer's key.
    pub issuer_key: PathBuf,
    /// The key of tokens.
    pub token_key: PathBuf,
    /// The public keys of tokens.
    pub token_key_set: PathBuf,
}

impl FileNames {
    /// The path of a text.
    #[must_use]
    pub fn path(&self, part: Part) -> PathBuf {
        let name: &Path = match part {
            Part::Anchors => &self.anchors,
            Part::IssuerCertificate => &self.issuer_certificate,
            Part::IssuerKey => &self.issuer_key,
            Part::TokenKey => &self.token_key,
            Part::TokenKeySet => &self.token_key_set,
            Part::Rotation | Part::NextCertificate | Part::NextKey => Path::new(part.usual_name()),
        };
        self.folder.join(name)
    }
}

/// A bundle in files.
pub struct FileStore {
    names: FileNames,
    watched: Mutex<Watched>,
}

impl FileStore {
    /// A store of these files, whose folders must exist.
    ///
    /// # Errors
    /// When a folder is missing, or cannot be watched.
    pub fn open(names: FileNames) -> Result<Self, StoreError> {
        let paths: Vec<PathBuf> = Part::ALL.into_iter().map(|part| names.path(part)).collect();
        let watched = watch_files(paths.iter().map(PathBuf::as_path)).map_err(StoreError)?;
        Ok(Self { names, watched: Mutex::new(watched) })
    }
}

#[async_trait]
impl Store for FileStore {
    async fn load(&self) -> Result<Contents, StoreError> {
        let names = self.names.clone();
        apart(move || read(&names)).await
    }

    async fn update(&self, change: Change) -> Result<Contents, StoreError> {
        let names = self.names.clone();
        apart(move || update(&names, change)).await
    }

    async fn changed(&self) {
        self.watched.lock().await.changed().await;
    }

    fn place(&self, part: Part) -> String {
        self.names.path(part).display().to_string()
    }
}

/// Files are waited for on a thread of their own, which logs where the caller does.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let log = tracing::dispatcher::get_default(Clone::clone);
    match tokio::task::spawn_blocking(move || tracing::dispatcher::with_default(&log, work)).await {
        Ok(done) => done,
        Err(error) => Err(StoreError(format!("the files of the bundle: {error}"))),
    }
}

pub(super) fn failed(action: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError(format!("failed to {action} {}: {error}", path.display()))
}

/// How often a reader looks again when the bundle was replaced under its eyes.
const LOOKS: u32 = 8;

pub(super) fn read(names: &FileNames) -> Result<Contents, StoreError> {
    let link = TurnedLink::new(names);
    let mut contents = Contents::default();
    for _ in 0..LOOKS {
        let before = link.turned_to();
        contents = read_each(names)?;
        if link.turned_to() == before {
            break;
        }
    }
    Ok(contents)
}

fn read_each(names: &FileNames) -> Result<Contents, StoreError> {
    let mut contents = Contents::default();
    for part in Part::ALL {
        let path = names.path(part);
        match fs::read(&path) {
            Ok(text) => contents.set(part, text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path, &error)),
        }
    }
    Ok(contents)
}

fn update(names: &FileNames, mut change: Change) -> Result<Contents, StoreError> {
    let seen = read(names)?;
    let Some(wanted) = change(&seen).map_err(StoreError)? else { return Ok(seen) };
    // The folder itself is the lock, so that no file of ours lies about. Whoever waited for it looks again.
    let folder = File::open(&names.folder).map_err(|error| failed("open", &names.folder, &error))?;
    folder.lock().map_err(|error| failed("lock", &names.folder, &error))?;
    let old = read(names)?;
    let changed = if old == seen { Some(wanted) } else { change(&old).map_err(StoreError)? };
    let Some(new) = changed else { return Ok(old) };
    let is_addition = old.iter().all(|(part, text)| new.get(part) == Some(text));
    if is_addition {
        for (part, text) in new.iter().filter(|(part, _)| old.get(*part).is_none()) {
            add(&names.path(part), text)?;
        }
    } else {
        TurnedLink::new(names).replace(&old, &new)?;
    }
    Ok(new)
}

/// Writes a new file, which has its name only once it is complete and on the disk.
fn add(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    let temporary = beside(path, "tmp");
    let written = write_through(&temporary, text, PRIVATE).and_then(|()| fs::rename(&temporary, path));
    written.and_then(|()| sync_folder(path)).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed("write file", path, &error)
    })
}

/// Writes a file that is not there yet, down to the disk.
pub(super) fn write_through(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Brings the names in the folder of a file down to the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

/// A name that nothing else has, in the folder of a path.
pub(super) fn beside(path: &Path, kind: &str) -> PathBuf {
    let mut random = [0_u8; 8];
    // Without randomness the name may be taken, which fails and changes nothing.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.trim_start_matches('.');
    path.with_file_name(format!(".{name}-{:016x}.{kind}", u64::from_le_bytes(random)))
}

#[cfg(test)]
mod tests;

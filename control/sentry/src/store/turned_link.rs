//! Replacing several files in one moment. The texts lie in a folder of their own, a link points to that folder, and each file
//! is a link through that link; a new folder is filled and brought to the disk, and then the one link is turned, which is one
//! rename. Kubernetes does the same with mounted Secrets. Whoever reads, the target's sentry too, sees the old bundle or the
//! new one, also after a crash between any two steps. Called by `file_store`, under its lock.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::file_store::{FileNames, PRIVATE, beside, failed, sync_folder, write_through};
use super::{Contents, Part, StoreError};

/// The link, in the folder of the bundle.
pub(super) const LINK: &str = ".bundle";
/// How the names of the folders it points to end.
const FOLDER: &str = "texts";
/// Others may pass, not look around: the files inside say who reads them.
const PASSING: u32 = 0o711;

/// One step of a replacement. What a step before another one left is a whole bundle.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Makes a folder that nothing points to, with these texts and their modes.
    Fill { folder: PathBuf, texts: Vec<(Part, Vec<u8>, u32)> },
    /// Makes `path` a link to `target`, in place of whatever it is.
    Link { target: PathBuf, path: PathBuf },
    /// Removes a link that leads nowhere.
    Remove { path: PathBuf },
}

impl Step {
    pub(super) fn take(&self) -> Result<(), StoreError> {
        match self {
            Self::Fill { folder, texts } => fill(folder, texts).map_err(|error| {
                let _ = fs::remove_dir_all(folder);
                failed("write the texts of the bundle to", folder, &error)
            }),
            Self::Link { target, path } => {
                put_link(target, path).map_err(|error| failed("replace by a link", path, &error))
            }
            Self::Remove { path } => remove(path).map_err(|error| failed("remove", path, &error)),
        }
    }
}

/// The link of a bundle.
pub(super) struct TurnedLink<'a> {
    names: &'a FileNames,
    link: PathBuf,
}

impl<'a> TurnedLink<'a> {
    pub(super) fn new(names: &'a FileNames) -> Self {
        Self { names, link: names.folder.join(LINK) }
    }

    /// What the link points to now; whoever reads several texts looks before and after.
    pub(super) fn turned_to(&self) -> Option<PathBuf> {
        fs::read_link(&self.link).ok()
    }

    /// Replaces the texts.
    pub(super) fn replace(&self, old: &Contents, new: &Contents) -> Result<(), StoreError> {
        self.remove_leftovers();
        for step in self.steps(old, new) {
            step.take()?;
        }
        self.remove_leftovers();
        Ok(())
    }

    /// How the texts are replaced.
    pub(super) fn steps(&self, old: &Contents, new: &Contents) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut apart = old.iter().filter(|(part, _)| !self.leads_through(*part)).peekable();
        if apart.peek().is_some() {
            // The same texts at another place: whoever reads meanwhile sees no difference.
            steps.extend(self.turn(old));
            steps.extend(apart.map(|(part, _)| self.lead_through(part)));
        }
        let news = new.iter().filter(|(part, _)| old.get(*part).is_none() && !self.leads_through(*part));
        // These lead nowhere until the link is turned.
        steps.extend(news.map(|(part, _)| self.lead_through(part)));
        steps.extend(self.turn(new));
        let gone = old.iter().filter(|(part, _)| new.get(*part).is_none());
        steps.extend(gone.map(|(part, _)| Step::Remove { path: self.names.path(part) }));
        steps
    }

    fn leads_through(&self, part: Part) -> bool {
        fs::read_link(self.names.path(part)).is_ok_and(|target| target == self.target(part))
    }

    /// What the link of a text points to.
    fn target(&self, part: Part) -> PathBuf {
        let inside = Path::new(LINK).join(part.usual_name());
        let path = self.names.path(part);
        if path.parent() == Some(&self.names.folder) { inside } else { absolute(&self.names.folder).join(inside) }
    }

    fn lead_through(&self, part: Part) -> Step {
        Step::Link { target: self.target(part), path: self.names.path(part) }
    }

    /// Fills a folder with the texts and points the link to it.
    fn turn(&self, contents: &Contents) -> [Step; 2] {
        let folder = beside(&self.link, FOLDER);
        let target = PathBuf::from(folder.file_name().unwrap_or_default());
        let texts = contents.iter().map(|(part, text)| (part, text.to_vec(), self.mode(part))).collect();
        [Step::Fill { folder, texts }, Step::Link { target, path: self.link.clone() }]
    }

    /// Who may read a text: whoever may read it now, if it is no secret.
    fn mode(&self, part: Part) -> u32 {
        let present = fs::metadata(self.names.path(part)).map(|metadata| metadata.permissions().mode());
        match present {
            Ok(mode) if !part.is_secret() => mode & 0o644 | PRIVATE,
            _ => PRIVATE,
        }
    }

    /// Removes folders that nothing points to: what they held has been replaced, or was never used.
    fn remove_leftovers(&self) {
        let current = self.turned_to().unwrap_or_default();
        let Ok(entries) = fs::read_dir(&self.names.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if text.starts_with(LINK) && text.ends_with(FOLDER) && Path::new(&name) != current {
                // One that stays is removed the next time.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn fill(folder: &Path, texts: &[(Part, Vec<u8>, u32)]) -> io::Result<()> {
    DirBuilder::new().mode(PASSING).create(folder)?;
    for (part, text, mode) in texts {
        write_through(&folder.join(part.usual_name()), text, *mode)?;
    }
    sync_folder(&folder.join("any"))
}

fn put_link(target: &Path, path: &Path) -> io::Result<()> {
    let temporary = beside(path, "link");
    symlink(target, &temporary)?;
    fs::rename(&temporary, path).and_then(|()| sync_folder(path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder(path)),
    }
}

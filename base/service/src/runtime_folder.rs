//! The runtime folder of this user: run records, the registry of names, the hub's socket. Opened by the command line and the
//! hub. It must be ours alone: what lies in it decides which processes are ended, and who is talked to.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::Environment;

/// The variable that moves the folder; the flag `--runtime-dir` wins over it.
pub const VARIABLE: &str = "TRILBY_RUNTIME_DIR";

/// Opens the folder, and makes it when it is not there: the one chosen by flag or `TRILBY_RUNTIME_DIR`, else
/// `$XDG_RUNTIME_DIR/trilby`, else `trilby-<user number>` in the folder for temporary files.
///
/// # Errors
/// A sentence that names the folder, when it cannot be made, or is not ours alone.
pub fn open(chosen: Option<&str>, environment: &Environment) -> Result<PathBuf, String> {
    let chosen = chosen.or_else(|| environment.get(VARIABLE)).filter(|path| !path.is_empty());
    if let Some(path) = chosen {
        let absolute = std::path::absolute(path).map_err(|error| format!("the runtime folder {path}: {error}"))?;
        return own(&absolute);
    }
    let session = environment.get("XDG_RUNTIME_DIR").map(Path::new).filter(|path| path.is_absolute());
    if let Some(Ok(folder)) = session.map(|path| own(&path.join("trilby"))) {
        return Ok(folder);
    }
    own(&std::env::temp_dir().join(format!("trilby-{}", nix::unistd::getuid())))
}

/// A folder that belongs to this user and that nobody else may enter; made if need be.
///
/// # Errors
/// As [`open`].
pub fn own(path: &Path) -> Result<PathBuf, String> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        format!("cannot make the runtime folder {}; choose another with {VARIABLE}: {error}", path.display())
    })?;
    verify(path)?;
    Ok(path.to_owned())
}

/// Refuses a link, a folder of someone else, and one that others may enter.
fn verify(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let found = std::fs::symlink_metadata(path)
        .map_err(|error| format!("cannot look at the runtime folder {shown}: {error}"))?;
    if !found.is_dir() {
        return Err(format!(
            "the runtime folder {shown} is a link or no folder; remove it, or choose another with {VARIABLE}"
        ));
    }
    if found.uid() != nix::unistd::getuid().as_raw() {
        return Err(format!("the runtime folder {shown} belongs to another user; choose another with {VARIABLE}"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(format!(
            "the runtime folder {shown} is open to other users; run `chmod 700 {shown}`, or choose another with {VARIABLE}"
        ));
    }
    Ok(())
}

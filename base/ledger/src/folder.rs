//! The data folder of a ledger: made for this user alone, with the version of its format. Called by `local` before the engine.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// The format this version writes.
pub const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "format";
const FORMAT_NAME: &str = "trilby-ledger";

/// Makes the folder if need be, holds its format against ours, and returns where the engine's files are.
pub(crate) fn prepare(folder: &Path) -> Result<PathBuf, Error> {
    let failed = |error: std::io::Error| Error::Failed(format!("{}: {error}", folder.display()).into());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let (path, rows) = (folder.join(FORMAT_FILE), folder.join("rows"));
    match fs::read_to_string(&path) {
        Ok(text) => check(&text)?,
        // The engine's files are made after this one: without it, nothing was acknowledged.
        Err(error) if error.kind() == ErrorKind::NotFound && !rows.exists() => write(folder, &path).map_err(failed)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::Corrupt(format!("{} is missing beside {}", path.display(), rows.display()).into()));
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(rows)
}

fn check(text: &str) -> Result<(), Error> {
    let damaged = || Error::Corrupt(format!("its format file says {:?}", text.trim()).into());
    let found = text.trim().strip_prefix(FORMAT_NAME).ok_or_else(damaged)?.trim();
    match found.parse::<u32>() {
        Ok(FORMAT) => Ok(()),
        Ok(newer) if newer > FORMAT => Err(Error::NewerFormat { found: found.to_owned(), known: FORMAT }),
        _ => Err(damaged()),
    }
}

/// In one step, and durably: a file that is half written must not be found.
fn write(folder: &Path, path: &Path) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(format!("{FORMAT_NAME} {FORMAT}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let newer = format!("{FORMAT_NAME} {}\n", FORMAT + 1);
        fs::write(place.path().join(FORMAT_FILE), &newer).unwrap();
        let error = prepare(place.path()).unwrap_err();
        assert_eq!(error, Error::NewerFormat { found: "2".to_owned(), known: 1 });
        assert!(error.to_string().contains("newer version"));
        assert_eq!(fs::read_to_string(place.path().join(FORMAT_FILE)).unwrap(), newer);
    }

    #[test]
    fn a_format_that_cannot_be_read_or_is_missing_is_damage() {
        let place = tempfile::tempdir().unwrap();
        for text in ["", "trilby-ledger", "trilby-ledger 0", "something 1", "trilby-ledger one"] {
            fs::write(place.path().join(FORMAT_FILE), text).unwrap();
            assert!(matches!(prepare(place.path()), Err(Error::Corrupt(_))), "{text}");
        }
        fs::remove_file(place.path().join(FORMAT_FILE)).unwrap();
        assert!(prepare(place.path()).is_ok());
        fs::create_dir(place.path().join("rows")).unwrap();
        assert!(prepare(place.path()).is_ok());
        fs::remove_file(place.path().join(FORMAT_FILE)).unwrap();
        assert!(matches!(prepare(place.path()), Err(Error::Corrupt(_))));
    }
}

//! The runtime folder of this user: run records and the registry of names. Every command opens it through here. It must
//! be ours alone: what lies in it decides which processes `stop` ends.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use service::Environment;

/// A folder that belongs to this user and that nobody else may enter.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens the folder, and makes it when it is not there: the one chosen by flag or `TRILBY_RUNTIME_DIR`, else
    /// `$XDG_RUNTIME_DIR/trilby`, else `trilby-<user number>` in the system's folder for temporary files.
    pub(crate) fn open(chosen: Option<&str>, environment: &Environment) -> Result<Self> {
        let path = service::runtime_folder::open(chosen, environment).map_err(anyhow::Error::msg)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes a file that only we may read, in one step: a reader sees the old content or the new one.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let written = opened.and_then(|mut file| file.write_all(content)).and_then(|()| std::fs::rename(&draft, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// The folder of the target's command line: `.dapr` in `--runtime-path`, else in `DAPR_RUNTIME_PATH`, else in the home
/// folder. It need not exist.
pub(crate) fn dapr_folder(runtime_path: Option<&str>, environment: &Environment) -> Option<PathBuf> {
    let named = |path: &str| Some(path.trim().to_owned()).filter(|path| !path.is_empty());
    let base = runtime_path
        .and_then(named)
        .or_else(|| environment.get("DAPR_RUNTIME_PATH").and_then(named))
        .or_else(|| environment.get("HOME").and_then(named))?;
    Some(Path::new(&base).join(".dapr"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_missing_folder_is_made_for_us_alone() {
        let place = tempfile::tempdir().unwrap();
        let chosen = place.path().join("a/b");
        let folder = Folder::open(chosen.to_str(), &Environment::default()).unwrap();
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let environment = Environment::from_pairs([("XDG_RUNTIME_DIR", place.path().to_str().unwrap())]);
        assert_eq!(Folder::open(None, &environment).unwrap().path(), place.path().join("trilby"));
    }

    #[test]
    fn a_link_and_an_open_folder_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let open = place.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = Folder::open(open.to_str(), &Environment::default()).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        assert!(Folder::open(link.to_str(), &Environment::default()).is_err());
    }

    #[test]
    fn the_dapr_folder_follows_flag_then_variable_then_home() {
        let environment = Environment::from_pairs([("DAPR_RUNTIME_PATH", "/r"), ("HOME", "/h")]);
        assert_eq!(dapr_folder(Some("/f"), &environment), Some("/f/.dapr".into()));
        assert_eq!(dapr_folder(Some(" "), &environment), Some("/r/.dapr".into()));
        assert_eq!(dapr_folder(None, &Environment::from_pairs([("HOME", "/h")])), Some("/h/.dapr".into()));
        assert_eq!(dapr_folder(None, &Environment::default()), None);
    }
}

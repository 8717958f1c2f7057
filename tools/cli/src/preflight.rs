//! What can be seen to be wrong before anything is started: a command that is not there, a port that is taken. `run`
//! calls it for all apps first, so that such a mistake leaves nothing to clean up.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use nix::unistd::{AccessFlags, access};
use service::Environment;

use crate::plan::Plan;
use crate::ports::Chosen;

/// Checks all apps of a run, and returns the ports they have chosen.
pub(crate) fn check(plans: &[Plan], environment: &Environment) -> Result<Chosen> {
    let mut chosen = Chosen::default();
    for plan in plans {
        if let Some(command) = plan.settings.command.first() {
            find(plan, command, environment)?;
        }
        chosen.check(&plan.settings)?;
    }
    Ok(chosen)
}

/// Where the command of an app is: its path seen from the app's folder, or the first match in `PATH`.
pub(crate) fn find(plan: &Plan, command: &str, environment: &Environment) -> Result<PathBuf> {
    let id = &plan.settings.app_id;
    let folder = plan.place.as_ref().map(|place| place.directory.clone());
    let folder = folder.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    if command.trim().is_empty() {
        bail!("the command of {id} is empty; name a program, or leave the command out to run the sidecar alone");
    }
    if command.contains('/') {
        let path = folder.join(command);
        if is_executable(&path) {
            return Ok(path);
        }
        if path.is_file() {
            bail!("the command {command} of {id} may not be executed; run `chmod +x {}`", path.display());
        }
        bail!("the command {command} of {id} was not found in {}; check its path", folder.display());
    }
    let search = plan.settings.env.get("PATH").map(String::as_str).or_else(|| environment.get("PATH"));
    let folders = std::env::split_paths(search.unwrap_or("/usr/local/bin:/usr/bin:/bin"));
    match folders.map(|place| folder.join(place).join(command)).find(|path| is_executable(path)) {
        Some(path) => Ok(path),
        None => bail!("the command {command} of {id} was not found; install it, or give its path"),
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Settings;

    fn found(command: &str, path: &str) -> Result<PathBuf> {
        let plan = Plan { settings: Settings { app_id: "a".to_owned(), ..Settings::default() }, place: None };
        find(&plan, command, &Environment::from_pairs([("PATH", path)]))
    }

    #[test]
    fn a_command_is_found_in_the_path() {
        assert!(found("sh", "/nowhere:/bin").unwrap().ends_with("sh"));
        assert_eq!(found("/bin/sh", "").unwrap(), Path::new("/bin/sh"));
    }

    #[test]
    fn what_is_not_there_is_named_with_what_to_do() {
        let error = |command, path| found(command, path).unwrap_err().to_string();
        assert_eq!(error("nonesuch", "/bin"), "the command nonesuch of a was not found; install it, or give its path");
        assert!(error("./nonesuch", "").contains("check its path"));
        assert!(error(" ", "").contains("is empty"));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(error(file.path().to_str().unwrap(), "").contains("chmod +x"));
    }
}

//! What every command has at hand: the console, the environment, and the choice of the runtime folder. `entry` makes it.

use anyhow::Result;
use service::Environment;

use crate::console::Console;
use crate::folder::Folder;

/// The surroundings of one command.
pub(crate) struct Session {
    pub(crate) console: Console,
    pub(crate) environment: Environment,
    /// The value of `--runtime-dir`.
    pub(crate) runtime_dir: Option<String>,
}

impl Session {
    /// Opens the runtime folder.
    pub(crate) fn folder(&self) -> Result<Folder> {
        Folder::open(self.runtime_dir.as_deref(), &self.environment)
    }
}

/// The refusal of what would need Kubernetes.
pub(crate) fn refuse_kubernetes(matches: &clap::ArgMatches) -> Result<()> {
    let wanted = matches.get_one::<bool>("kubernetes").copied().unwrap_or_default();
    anyhow::ensure!(
        !wanted,
        "this build does not work with Kubernetes yet; leave --kubernetes out to work on this machine"
    );
    Ok(())
}

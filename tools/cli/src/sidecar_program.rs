//! Which executable is the sidecar: this one with the first argument `daprd`, or the one that `TRILBY_SIDECAR` names,
//! for tests and mixed fleets. Used by `run` and `version`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use service::Environment;

use crate::tied;

/// The variable that names another executable as the sidecar.
pub(crate) const VARIABLE: &str = "TRILBY_SIDECAR";
/// `1` or `0` turns the registry of names on or off; without it, it is on for our own sidecar only.
pub(crate) const REGISTRY: &str = "TRILBY_REGISTRY";

/// The executable of the sidecar and how it is started.
#[derive(Clone, Debug)]
pub(crate) struct SidecarProgram {
    path: PathBuf,
    ours: bool,
    registry: bool,
}

impl SidecarProgram {
    /// Chooses the executable.
    pub(crate) fn choose(environment: &Environment) -> Result<Self> {
        let named = environment.get(VARIABLE).filter(|path| !path.is_empty());
        let (path, ours) = match named {
            Some(path) => (PathBuf::from(path), false),
            None => (std::env::current_exe().context("cannot find the executable of the sidecar")?, true),
        };
        let registry = match environment.get(REGISTRY) {
            Some("1" | "true") => true,
            Some("0" | "false") => false,
            _ => ours,
        };
        Ok(Self { path, ours, registry })
    }

    /// A command that becomes the sidecar once it has its flags.
    pub(crate) fn command(&self) -> tokio::process::Command {
        self.with_role(tokio::process::Command::new(&self.path))
    }

    /// The same for a sidecar that ends with this process, however that ends.
    pub(crate) fn tied_command(&self) -> tokio::process::Command {
        self.with_role(tied::command(&self.path, self.path.as_os_str()))
    }

    fn with_role(&self, mut command: tokio::process::Command) -> tokio::process::Command {
        if self.ours {
            command.arg("daprd");
        }
        command
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Whether it is this executable, which knows the hub.
    pub(crate) fn knows_hub(&self) -> bool {
        self.ours
    }

    /// Whether it connects to placement and scheduler where they usually are. Ours has no use for them yet, and would say
    /// so at every start.
    pub(crate) fn uses_services(&self) -> bool {
        !self.ours
    }

    /// Whether its sidecars use the registry of names in the runtime folder.
    pub(crate) fn uses_registry(&self) -> bool {
        self.registry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pairs: &[(&str, &str)]) -> SidecarProgram {
        SidecarProgram::choose(&Environment::from_pairs(pairs.iter().copied())).unwrap()
    }

    #[test]
    fn another_sidecar_gets_no_registry_unless_asked() {
        assert!(chosen(&[]).uses_registry());
        assert!(!chosen(&[(REGISTRY, "0")]).uses_registry());
        assert!(!chosen(&[(VARIABLE, "/bin/daprd")]).uses_registry());
        assert!(chosen(&[(VARIABLE, "/bin/daprd"), (REGISTRY, "1")]).uses_registry());
    }

    #[test]
    fn only_another_sidecar_connects_to_services() {
        assert!(!chosen(&[]).uses_services());
        assert!(chosen(&[(VARIABLE, "/bin/daprd")]).uses_services());
    }

    #[test]
    fn only_our_own_executable_is_told_its_role() {
        let first = |program: SidecarProgram| program.command().as_std().get_args().next().map(|a| a.to_owned());
        assert_eq!(first(chosen(&[])), Some("daprd".into()));
        assert_eq!(first(chosen(&[(VARIABLE, "/bin/daprd")])), None);
    }
}

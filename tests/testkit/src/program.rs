//! Which executable is under test: `BIN_DIR` (a folder with `daprd`), `TRILBY_BIN` (our executable), or the `trilby`
//! that stands beside the test. Used when a sidecar is started.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// An executable that can be a sidecar.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    leading: Vec<&'static str>,
    is_ours: bool,
}

impl Program {
    /// The executable under test; panics with what to do when there is none.
    #[must_use]
    pub fn under_test() -> &'static Self {
        static FOUND: OnceLock<Program> = OnceLock::new();
        FOUND.get_or_init(Self::find)
    }

    /// A `daprd` in `folder`.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self::checked(folder.join("daprd"), Vec::new())
    }

    fn find() -> Self {
        if let Some(folder) = variable("BIN_DIR") {
            return Self::in_folder(Path::new(&folder));
        }
        if let Some(path) = variable("TRILBY_BIN") {
            return Self::checked(path.into(), vec!["daprd"]);
        }
        let test = std::env::current_exe().expect("the test has a path");
        let folder = test.parent().and_then(Path::parent).expect("the test stands in <target>/<profile>/deps");
        Self::checked(folder.join("trilby"), vec!["daprd"])
    }

    fn checked(path: PathBuf, leading: Vec<&'static str>) -> Self {
        let told = Command::new(&path).args(&leading).arg("--build-info").output().unwrap_or_else(|error| {
            panic!(
                "{} cannot be run ({error}): build it with `cargo build -p trilby`, or name another by BIN_DIR (a \
                 folder with daprd) or TRILBY_BIN",
                path.display()
            )
        });
        let is_ours = String::from_utf8_lossy(&told.stdout).to_lowercase().contains("trilby");
        Self { path, leading, is_ours }
    }

    /// A command that runs it as a sidecar, for tests that start it themselves.
    #[must_use]
    pub fn to_command(&self) -> Command {
        self.command()
    }

    /// A command that runs it as a sidecar.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.leading);
        command
    }

    /// A command that runs another role of it: the executable of that name beside it, or its first argument.
    pub(crate) fn command_as(&self, role: &str) -> Command {
        if self.leading.is_empty() {
            return Command::new(self.path.with_file_name(role));
        }
        let mut command = Command::new(&self.path);
        command.arg(role);
        command
    }

    /// Whether it is Trilby.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.is_ours
    }
}

/// Whether the executable under test is the program that ours replaces.
#[must_use]
pub fn is_reference() -> bool {
    !Program::under_test().is_ours()
}

#[expect(clippy::disallowed_methods, reason = "a test has no role whose environment snapshot could be used")]
/// A variable of the test process, if it is set and not empty.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

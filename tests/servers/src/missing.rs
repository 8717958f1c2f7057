//! Finding the programs of a server, and what is said where they are missing (CONTRIBUTING.md). Used by each server.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where Debian puts servers that are in no search path.
const BESIDE_THE_PATH: &[&str] = &["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/// The path of a program, or `None` after having said, past the test harness, that its tests are skipped.
pub(crate) fn program(name: &str, package: &str) -> Option<PathBuf> {
    let found = look_for(name);
    if found.is_none() {
        let why = format!("{name} is not installed (apt-get install {package})");
        writeln!(std::io::stderr(), "SKIPPED tests with {name}: {why}").expect("standard error is open");
        assert!(!in_continuous_integration(), "{why}, and with CI set nothing may be skipped");
    }
    found
}

fn look_for(name: &str) -> Option<PathBuf> {
    let in_path = search_path().into_iter();
    let folders = in_path.chain(BESIDE_THE_PATH.iter().map(PathBuf::from)).chain(postgres_folders());
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// `/usr/lib/postgresql/<version>/bin`, the newest first.
fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test has no snapshot of the environment")]
fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a test has no snapshot of the environment")]
fn in_continuous_integration() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

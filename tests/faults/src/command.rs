//! Programs of the system that faults need: run to their end, or found missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs a command and returns what it printed.
///
/// # Errors
/// What it said when it failed.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program is, in the folders of `PATH` and those of the administrator.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = testkit::variable("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    folders.map(|folder| PathBuf::from(folder).join(program)).find(|path| path.is_file())
}

//! Processes that do not outlive this one, even when it is killed with signal 9: each is started through this executable,
//! which asks the system to tell it when its parent ends, and then becomes the program. `pair` starts sidecars and apps
//! so; `entry` hands over here when it is such a start. Only Linux can do this; elsewhere programs are started directly.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use tokio::process::Command;

/// The first argument of such a start. Not a command: it stands in no help and no completion.
const MARK: &str = "__tied";
/// What shells return for a program that is there and cannot be run.
const CANNOT_RUN: u8 = 126;

/// A command that starts `program` under the name `name`, tied to this process where the system can do so.
pub(crate) fn command(program: &Path, name: &OsStr) -> Command {
    let own = std::env::current_exe().ok().filter(|own| cfg!(target_os = "linux") && own.is_file());
    let Some(own) = own else {
        let mut command = Command::new(program);
        command.arg0(name);
        return command;
    };
    let mut command = Command::new(own);
    command.arg(MARK).arg(std::process::id().to_string()).arg(program).arg(name);
    command
}

/// Whether these arguments of the executable are such a start.
pub(crate) fn is_meant(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(|first| first == MARK)
}

/// Becomes the program. Returns only when that fails.
pub(crate) fn become_program(arguments: &[OsString]) -> ExitCode {
    use std::os::unix::process::CommandExt;
    let [_, parent, program, name, rest @ ..] = arguments else { return ExitCode::from(CANNOT_RUN) };
    if !tie(parent) {
        return ExitCode::FAILURE;
    }
    let error = std::process::Command::new(program).arg0(name).args(rest).exec();
    eprintln!("cannot run {}: {error}", Path::new(program).display());
    ExitCode::from(CANNOT_RUN)
}

/// Asks for SIGTERM at the end of the parent; false when it has ended already.
#[cfg(target_os = "linux")]
fn tie(parent: &OsStr) -> bool {
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM);
    parent.to_str() == Some(nix::unistd::getppid().to_string().as_str())
}

#[cfg(not(target_os = "linux"))]
fn tie(_parent: &OsStr) -> bool {
    true
}

//! The identity of a process: its number, and when it was started, so that a number that was given to another process
//! is never taken for the one we meant. Used by the run records, `list` and `stop`.

use serde::{Deserialize, Serialize};

/// A process that was running once. Two with the same number but different starts are different processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// The number the system gave it.
    pub(crate) pid: i32,
    /// Boot of the machine and clock ticks since then; empty where the system does not tell.
    pub(crate) started: String,
}

impl ProcessId {
    /// This process.
    pub(crate) fn current() -> Self {
        Self::of(nix::unistd::getpid().as_raw())
    }

    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Self {
        Self { pid, started: start(pid).unwrap_or_default() }
    }

    /// Whether this very process still runs. One that ended and was not collected yet counts as gone.
    pub(crate) fn is_alive(&self) -> bool {
        self.pid > 0 && is_running(self.pid, &self.started)
    }
}

#[cfg(target_os = "linux")]
fn is_running(pid: i32, started: &str) -> bool {
    start(pid).is_some_and(|now| now == started)
}

#[cfg(not(target_os = "linux"))]
fn is_running(pid: i32, _started: &str) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
}

/// Boot identity and start ticks; `None` when there is no such process, or only its remains.
#[cfg(target_os = "linux")]
fn start(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = running_since(&stat)?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}:{ticks}", boot.trim()))
}

#[cfg(not(target_os = "linux"))]
fn start(_pid: i32) -> Option<String> {
    None
}

/// Field 22 of `/proc/<pid>/stat`, unless the state (field 3) says that the process has ended. The name in field 2 can
/// hold spaces and brackets, so counting starts behind its last bracket.
#[cfg(target_os = "linux")]
fn running_since(stat: &str) -> Option<&str> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") { None } else { fields.nth(18) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_recycled_number_is_not() {
        let here = ProcessId::current();
        assert!(here.is_alive());
        let other = ProcessId { started: format!("{}0", here.started), ..here };
        assert!(!other.is_alive());
        assert!(!ProcessId { pid: 0, started: String::new() }.is_alive());
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 2";
        assert_eq!(running_since(stat), Some("4242"));
        assert_eq!(running_since(&stat.replace(") S", ") Z")), None);
    }

    #[test]
    fn a_child_that_ended_is_gone_before_it_is_collected() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = ProcessId::of(i32::try_from(child.id()).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!id.is_alive());
        child.wait().unwrap();
    }
}

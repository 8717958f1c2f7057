//! A started process with everything it starts itself: a process group of its own that is ended as a whole. `pair`
//! starts the sidecar and the app with it. That they die with us is the part of `tied`.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use service::{Shutdown, Tasks};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::sync::watch;

use crate::orphans::Orphans;
use crate::process::ProcessId;

/// How often the end of a group is looked for: the system has no event for it.
const STEP: Duration = Duration::from_millis(20);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It returned this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Ending {
    /// Whether it returned 0.
    pub(crate) fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Code(1),
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "ended with exit code {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(formatter, "was ended by signal {signal}"),
                Err(_) => write!(formatter, "was ended by signal {number}"),
            },
        }
    }
}

/// The leader of a process group that we started.
pub(crate) struct Group {
    id: ProcessId,
    ended: watch::Receiver<Option<Ending>>,
    orphans: Arc<Orphans>,
}

/// The ends of the pipes that the command asked for.
pub(crate) struct Pipes {
    pub(crate) out: Option<ChildStdout>,
    pub(crate) err: Option<ChildStderr>,
}

impl Group {
    /// Starts a command as the leader of a new process group.
    pub(crate) fn start(
        command: &mut Command,
        tasks: &Tasks,
        orphans: &Arc<Orphans>,
    ) -> std::io::Result<(Self, Pipes)> {
        let mut child = command.process_group(0).spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        orphans.started(pid);
        let id = ProcessId::of(pid);
        let pipes = Pipes { out: child.stdout.take(), err: child.stderr.take() };
        let (sender, ended) = watch::channel(None);
        let known = Arc::clone(orphans);
        tasks.spawn("waiting for a process", async move {
            let ending = child.wait().await.map_or(Ending::Code(1), Ending::from);
            known.collected(pid);
            let _ = sender.send(Some(ending));
        });
        Ok((Self { id, ended, orphans: Arc::clone(orphans) }, pipes))
    }

    /// The identity of the leader.
    pub(crate) fn id(&self) -> &ProcessId {
        &self.id
    }

    /// How the leader ended, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        *self.ended.borrow()
    }

    /// Waits for the leader.
    pub(crate) async fn ended(&self) -> Ending {
        let mut ended = self.ended.clone();
        let ending = ended.wait_for(Option::is_some).await.map(|ending| *ending);
        ending.ok().flatten().unwrap_or(Ending::Code(1))
    }

    /// Ends the whole group: SIGTERM, and SIGKILL once the grace period is over or `at_once` is requested. Returns
    /// when no process of the group is left.
    pub(crate) async fn stop(&self, grace: Duration, at_once: &Shutdown) {
        if self.is_gone() {
            return;
        }
        self.signal(Signal::SIGTERM);
        tokio::select! {
            () = self.gone() => return,
            () = tokio::time::sleep(grace) => {}
            () = at_once.requested() => {}
        }
        self.signal(Signal::SIGKILL);
        self.gone().await;
    }

    async fn gone(&self) {
        self.ended().await;
        while !self.is_gone() {
            tokio::time::sleep(STEP).await;
        }
    }

    /// Whether no process of the group is left. Members that ended count until they are collected, so that comes first.
    fn is_gone(&self) -> bool {
        self.orphans.collect();
        self.ending().is_some() && killpg(Pid::from_raw(self.id.pid), None) == Err(Errno::ESRCH)
    }

    fn signal(&self, signal: Signal) {
        if self.id.pid > 0 {
            let _ = killpg(Pid::from_raw(self.id.pid), signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Group, Tasks) {
        let tasks = Tasks::new();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let (group, _) = Group::start(&mut command, &tasks, &Arc::new(Orphans::default())).unwrap();
        (group, tasks)
    }

    #[tokio::test]
    async fn the_ending_is_told_as_it_was() {
        let (group, _tasks) = shell("exit 7");
        assert_eq!(group.ended().await, Ending::Code(7));
        let (group, _tasks) = shell("kill -9 $$");
        assert_eq!(group.ended().await, Ending::Signal(9));
        assert_eq!(group.ending().unwrap().to_string(), "was ended by signal SIGKILL");
    }

    #[tokio::test]
    async fn a_group_that_ignores_the_request_is_killed_with_its_grandchildren() {
        let (group, _tasks) = shell("trap '' TERM; sleep 1000 & sleep 1000");
        tokio::time::sleep(Duration::from_millis(100)).await;
        group.stop(Duration::from_millis(100), &Shutdown::new()).await;
        assert!(group.is_gone());
    }

    #[tokio::test]
    async fn grandchildren_of_a_leader_that_ended_are_ended() {
        let (group, _tasks) = shell("sleep 1000 & exit 0");
        assert_eq!(group.ended().await, Ending::Code(0));
        assert!(!group.is_gone());
        group.stop(Duration::from_secs(5), &Shutdown::new()).await;
        assert!(group.is_gone());
    }
}

//! Descendants that outlive their parents. On Linux they become children of this process, which collects them and, at
//! the end of a run, ends the ones that are left, even those that moved to a session of their own. Elsewhere only the
//! process groups are ended. A hub outlives the run that started it, and is left alone. `run` owns the one instance; `group`
//! registers the children we started ourselves.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// How long an orphan may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(20);

/// Knows which children are ours, so that the others are recognised.
/// Without [`Orphans::adopt`] it adopts nobody and collects nobody.
#[derive(Default)]
pub(crate) struct Orphans {
    adopting: bool,
    started: Mutex<HashSet<i32>>,
}

impl Orphans {
    /// Makes this process the parent of all descendants whose own parent ends.
    pub(crate) fn adopt() -> Self {
        #[cfg(target_os = "linux")]
        let _ = nix::sys::prctl::set_child_subreaper(true);
        Self { adopting: true, ..Self::default() }
    }

    /// Remembers a child that we started ourselves and that someone else collects.
    pub(crate) fn started(&self, pid: i32) {
        if let Ok(mut started) = self.started.lock() {
            started.insert(pid);
        }
    }

    /// Forgets a child of ours that was collected: its number may come back.
    pub(crate) fn collected(&self, pid: i32) {
        if let Ok(mut started) = self.started.lock() {
            started.remove(&pid);
        }
    }

    /// Collects the adopted processes that have ended, and returns the ones that still run.
    pub(crate) fn collect(&self) -> Vec<Pid> {
        if !self.adopting {
            return Vec::new();
        }
        let ours = self.started.lock().map(|started| started.clone()).unwrap_or_default();
        let adopted = children().into_iter().filter(|pid| !ours.contains(pid)).map(Pid::from_raw);
        adopted
            .filter(|pid| waitpid(*pid, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_none()))
            .filter(|pid| !is_hub(*pid))
            .collect()
    }

    /// Collects whenever a child ends, as long as it is polled.
    pub(crate) async fn collect_forever(&self) {
        let Ok(mut ended) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child()) else { return };
        while ended.recv().await.is_some() {
            self.collect();
        }
    }

    /// Ends every adopted process: SIGTERM, after two seconds SIGKILL. There is no event for "the last one is gone",
    /// so this looks every 20 ms.
    pub(crate) async fn end_all(&self) {
        let steps = GRACE.as_millis() / STEP.as_millis();
        let mut told = HashSet::new();
        for step in 0..steps * 2 {
            let left = self.collect();
            if left.is_empty() {
                return;
            }
            for pid in left {
                if step >= steps {
                    let _ = kill(pid, Signal::SIGKILL);
                } else if told.insert(pid) {
                    let _ = kill(pid, Signal::SIGTERM);
                }
            }
            tokio::time::sleep(STEP).await;
        }
    }
}

/// Whether a process is a hub: by its arguments, which it has from its first moment on.
fn is_hub(pid: Pid) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
    arguments.next() == Some(&b"hub"[..]) && arguments.next() == Some(&b"serve"[..])
}

/// The children of all threads of this process.
#[cfg(target_os = "linux")]
fn children() -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

#[cfg(not(target_os = "linux"))]
fn children() -> Vec<i32> {
    Vec::new()
}

//! A process under a fault: started with other programs around it if need be, killed without warning.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// A running process and everything it started.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` in a process group of its own, with its output in the file `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, log: &Path) -> Self {
        use std::os::unix::process::CommandExt as _;
        let log = File::options().create(true).append(true).open(log).expect("the log can be written");
        let errors = log.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// SIGKILL for it and everything it started, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM for the process that `self` runs around (such as a tracer's), and waits for the end.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn terminate(mut self) {
        let _ = killpg(self.group(), Signal::SIGTERM);
        let _ = self.child.wait();
        self.wait_for_the_others();
    }

    /// SIGTERM for it and everything it started; whether it has ended within `patience`. If not, it is killed.
    #[must_use]
    pub fn ends_within(mut self, patience: Duration) -> bool {
        let _ = killpg(self.group(), Signal::SIGTERM);
        let began = std::time::Instant::now();
        while self.is_running() {
            if began.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// What it started holds its files and locks for a moment longer.
    fn wait_for_the_others(&self) {
        for _ in 0..1000 {
            if killpg(self.group(), None::<Signal>).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids fit"))
    }

    fn end(&mut self) {
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = kill(self.group(), Signal::SIGKILL);
        let _ = self.child.wait();
        self.wait_for_the_others();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

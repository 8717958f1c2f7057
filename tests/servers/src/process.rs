//! One process of a server: started, ready when its log says so, killed, started again, and gone when dropped. Used by
//! each server.
//!
//! Processes are started from one thread that lives as long as this process does, because the system ends them (where
//! `setpriv` is installed) when the thread that started them ends: also after a kill -9 nothing is left behind.

use std::collections::VecDeque;
use std::fmt::Display;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account::Account;

const LOG_LINES: usize = 100;
const UNTIL_READY: Duration = Duration::from_secs(60);
const NOT_READY: &str = "is not ready after a minute";

/// How a process is started.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) folder: PathBuf,
    /// Variables beside those of this process.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// A part of the log line that says that the server takes connections.
    pub(crate) ready: &'static str,
    /// What ends it in order.
    pub(crate) stop: Signal,
    pub(crate) account: Option<Account>,
}

/// A process, running or not.
#[derive(Debug)]
pub(crate) struct Process {
    recipe: Recipe,
    child: Option<Child>,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Process {
    /// Starts it and waits until it is ready; otherwise the last lines of its log.
    pub(crate) fn start(recipe: Recipe) -> Result<Self, String> {
        let mut process = Self { recipe, child: None, log: Arc::default() };
        process.launch()?;
        Ok(process)
    }

    fn launch(&mut self) -> Result<(), String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut child = spawn(self.recipe.clone()).map_err(|error| format!("cannot start: {error}"))?;
        let (ready, waiting) = channel();
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        self.follow(output, ready.clone());
        self.follow(errors, ready);
        self.child = Some(child);
        let why = match waiting.recv_timeout(UNTIL_READY) {
            Ok(()) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => NOT_READY,
            Err(RecvTimeoutError::Disconnected) => "ended",
        };
        self.kill();
        Err(format!("{} {why}:\n{}", self.recipe.program.display(), self.log()))
    }

    fn follow(&self, stream: impl Read + Send + 'static, ready: Sender<()>) {
        let log = Arc::clone(&self.log);
        let mark = self.recipe.ready;
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if line.contains(mark) {
                    // Nobody waits any longer once it was ready.
                    let _ = ready.send(());
                }
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                if log.len() == LOG_LINES {
                    log.pop_front();
                }
                log.push_back(line);
            }
        });
    }

    /// The last lines it wrote.
    pub(crate) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// SIGKILL to it and to what it started itself, and waits for its end.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let own = Pid::from_raw(i32::try_from(child.id()).expect("process numbers are small"));
        // Stopped first, so that it starts nothing more while its children are counted.
        let _ = kill(own, Signal::SIGSTOP);
        for descendant in children(child.id()) {
            let _ = kill(descendant, Signal::SIGKILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Ends it in order and waits for that.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let own = Pid::from_raw(i32::try_from(child.id()).expect("process numbers are small"));
        let _ = kill(own, self.recipe.stop);
        let _ = child.wait();
    }

    /// Starts it again on the same ports and data, after having stopped it if it still runs.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.launch().unwrap_or_else(|error| panic!("cannot start again: {error}"));
    }

    /// Holds it (SIGSTOP), or lets it go on (SIGCONT): it is there, and does not answer.
    pub(crate) fn hold(&self, held: bool) {
        let child = self.child.as_ref().expect("it runs");
        let own = Pid::from_raw(i32::try_from(child.id()).expect("process numbers are small"));
        kill(own, if held { Signal::SIGSTOP } else { Signal::SIGCONT }).expect("it is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server with `make` on ports that are free, again on others if another process was quicker.
pub(crate) fn start_somewhere<T>(name: impl Display, mut make: impl FnMut() -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..5 {
        match make() {
            Ok(server) => return server,
            Err(error) if error.contains(NOT_READY) => panic!("cannot start {name}: {error}"),
            Err(error) => last = error,
        }
    }
    panic!("cannot start {name}: {last}");
}

/// What a process started itself (PostgreSQL has a process per connection).
fn children(process: u32) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|number| number.parse().ok()).map(Pid::from_raw).collect()
}

type Order = (Recipe, Sender<std::io::Result<Child>>);

fn spawn(recipe: Recipe) -> std::io::Result<Child> {
    static STARTER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, incoming): (Sender<Order>, Receiver<Order>) = channel();
        std::thread::spawn(move || {
            for (recipe, answer) in incoming {
                let _ = answer.send(command(&recipe).spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, started) = channel();
    let orders = starter.lock().unwrap_or_else(PoisonError::into_inner);
    orders.send((recipe, answer)).expect("the starter lives as long as the process");
    started.recv().expect("the starter answers")
}

fn command(recipe: &Recipe) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if setpriv.is_file() {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "KILL"]).arg(&recipe.program);
        command
    } else {
        Command::new(&recipe.program)
    };
    command.args(&recipe.arguments).current_dir(&recipe.folder);
    command.envs(recipe.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: a Ctrl-C in the terminal is for us, and we stop it in order.
    command.process_group(0);
    if let Some(account) = recipe.account {
        command.uid(account.user.as_raw()).gid(account.group.as_raw());
    }
    command
}

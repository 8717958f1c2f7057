//! A child process: its output line by line, its end, and what the kernel counts of it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Ended;

/// What a process may take to stop on its own before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// `VmRSS`.
    pub resident: u64,
    /// `VmHWM`: the most that was ever resident.
    pub peak: u64,
    /// `Pss`: shared pages counted in parts.
    pub proportional: u64,
}

pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("it was asked for")),
            Box::new(child.stderr.take().expect("it was asked for")),
        ];
        let readers = outputs.into_iter().map(|output| read_lines(output, &lines)).collect();
        Self { child, lines, readers }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no holder panics").clone()
    }

    /// Everything it printed; complete once it ended.
    pub(crate) fn output(&mut self) -> String {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.lines().join("\n")
    }

    /// Its exit code, if it ended.
    pub(crate) fn ended(&mut self) -> Option<Option<i32>> {
        let status = self.child.try_wait().expect("it is our child")?;
        Some(status.code())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids fit");
        let _ = kill(Pid::from_raw(id), signal);
    }

    /// Waits until it has printed a line with `text`, and returns that line.
    pub(crate) async fn logged(&self, text: &str) -> String {
        for _ in 0..500 {
            if let Some(line) = self.lines().into_iter().find(|line| line.contains(text)) {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{text:?} was not logged:\n{}", self.lines().join("\n"));
    }

    /// Waits for its end; panics if it does not come.
    pub(crate) async fn until_ended(&mut self) -> Ended {
        for _ in 0..1000 {
            if let Some(code) = self.ended() {
                return Ended { code, output: self.output() };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it did not end:\n{}", self.lines().join("\n"));
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    pub(crate) fn memory(&self) -> Memory {
        let bytes = |text: &str, name: &str| number_after(text, name) * 1024;
        let status = self.file("status");
        let (resident, peak) = (bytes(&status, "VmRSS:"), bytes(&status, "VmHWM:"));
        Memory { resident, peak, proportional: bytes(&self.file("smaps_rollup"), "Pss:") }
    }

    pub(crate) fn context_switches(&self) -> u64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let statuses = threads.map(|thread| std::fs::read_to_string(thread.path().join("status")).unwrap_or_default());
        statuses.map(|status| number_after(&status, "voluntary_ctxt_switches:")).sum()
    }
}

fn number_after(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn read_lines(output: Box<dyn Read + Send>, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            lines.lock().expect("no holder panics").push(String::from_utf8_lossy(&line).into_owned());
        }
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal(Signal::SIGTERM);
        let began = Instant::now();
        while began.elapsed() < GRACE {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

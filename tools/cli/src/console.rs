//! What the command line says: status lines in the target's shape and the lines of the apps, written by one thread so
//! that a reader who stopped reading never holds up the stop of what we started. Every command writes through this.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use service::Environment;
use tokio::sync::mpsc;

/// Lines that may wait for a slow reader before the apps have to wait too.
const QUEUE: usize = 4096;
/// How long the end of a command waits for a reader who does not read.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

enum Message {
    Out(Vec<u8>),
    Err(Vec<u8>),
    Flush(std::sync::mpsc::Sender<()>),
}

/// The kind of a status line: its mark in front, and its name in JSON.
#[derive(Clone, Copy)]
enum Status {
    Success,
    Failure,
    Warning,
    Info,
}

impl Status {
    fn mark(self) -> &'static str {
        match self {
            Self::Success => "✅  ",
            Self::Failure => "❌  ",
            Self::Warning => "⚠  ",
            Self::Info => "ℹ️  ",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// The way to standard output and standard error. A clone writes to the same place, in the same order.
#[derive(Clone)]
pub(crate) struct Console {
    sender: mpsc::Sender<Message>,
    settings: Arc<Settings>,
}

struct Settings {
    json: bool,
    colour: bool,
}

impl Console {
    /// Opens the console. With `json` every status line is an object with `time`, `status` and `msg`. Colours are used
    /// on a terminal only, and never when `NO_COLOR` is set to something.
    pub(crate) fn open(environment: &Environment, json: bool) -> Self {
        let refused = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = environment.get("TERM") == Some("dumb");
        let colour = std::io::stdout().is_terminal() && !refused && !dumb;
        let (sender, receiver) = mpsc::channel(QUEUE);
        std::thread::spawn(move || write_all(receiver));
        Self { sender, settings: Arc::new(Settings { json, colour }) }
    }

    /// Whether lines may carry colours.
    pub(crate) fn colour(&self) -> bool {
        self.settings.colour
    }

    /// Whether status lines are JSON.
    pub(crate) fn json(&self) -> bool {
        self.settings.json
    }

    /// Something worked.
    pub(crate) fn success(&self, text: impl AsRef<str>) {
        self.status(Status::Success, text.as_ref());
    }

    /// Something failed; goes to standard error.
    pub(crate) fn failure(&self, text: impl AsRef<str>) {
        self.status(Status::Failure, text.as_ref());
    }

    /// Something is odd, and the work goes on.
    pub(crate) fn warning(&self, text: impl AsRef<str>) {
        self.status(Status::Warning, text.as_ref());
    }

    /// Something to know.
    pub(crate) fn info(&self, text: impl AsRef<str>) {
        self.status(Status::Info, text.as_ref());
    }

    /// Plain text on standard output: the result of a command.
    pub(crate) fn print(&self, text: impl Into<Vec<u8>>) {
        self.send(Message::Out(text.into()));
    }

    /// Plain text on standard error.
    pub(crate) fn print_error(&self, text: impl Into<Vec<u8>>) {
        self.send(Message::Err(text.into()));
    }

    /// One line of an app, with its end of line. Waits while the reader is slow.
    pub(crate) async fn line(&self, line: Vec<u8>) {
        let _ = self.sender.send(Message::Out(line)).await;
    }

    /// Waits until all that was said is written, two seconds at most.
    pub(crate) fn flush(&self) {
        let (done, written) = std::sync::mpsc::channel();
        self.send(Message::Flush(done));
        let _ = written.recv_timeout(FLUSH_LIMIT);
    }

    fn status(&self, status: Status, text: &str) {
        let line = if self.settings.json { json_line(status, text) } else { format!("{}{text}\n", status.mark()) };
        match status {
            Status::Failure => self.print_error(line),
            Status::Success | Status::Warning | Status::Info => self.print(line),
        }
    }

    /// A status is dropped when thousands of lines already wait for a reader who does not read.
    fn send(&self, message: Message) {
        let _ = self.sender.try_send(message);
    }
}

fn json_line(status: Status, text: &str) -> String {
    let time = jiff::Timestamp::now();
    let mut line = serde_json::json!({ "time": time.to_string(), "status": status.name(), "msg": text }).to_string();
    line.push('\n');
    line
}

/// Writes until every sender is gone. A closed output is no reason to stop: the apps go on.
fn write_all(mut receiver: mpsc::Receiver<Message>) {
    while let Some(message) = receiver.blocking_recv() {
        match message {
            Message::Out(bytes) => {
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            }
            Message::Err(bytes) => {
                let _ = std::io::stderr().lock().write_all(&bytes);
            }
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_status_is_one_object_per_line() {
        let line = json_line(Status::Warning, "a \"quoted\" text");
        assert!(line.ends_with('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["status"], "warning");
        assert_eq!(value["msg"], "a \"quoted\" text");
        assert!(value["time"].as_str().unwrap().ends_with('Z'));
    }
}

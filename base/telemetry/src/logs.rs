//! Logs in the target's shape, as a `tracing` subscriber of one role; there is no global one.
//! Called by the executable, which runs a role under [`subscriber`]. What logs is any crate, with the macros of
//! `tracing` and a target that is the scope of the target's logger: `tracing::info!(target: "dapr.runtime", "...")`.
//!
//! Rules: only targets that begin with `dapr` pass, so that libraries cost nothing; fields of an event other than
//! its message become fields of the line; an error event with a field `fatal` is written with the level `fatal`; the
//! scopes of API logging are at least at level info whatever the level is, as in the target. Times are in UTC.

mod line;
mod subscriber;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use tracing::Dispatch;

/// From which importance on lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator may want to know.
    #[default]
    Info,
    /// What may become a problem.
    Warn,
    /// What failed.
    Error,
    /// Only what ends the process.
    Fatal,
}

impl LogLevel {
    /// Reads a level in any case.
    ///
    /// # Errors
    /// The target's message for another word.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            "fatal" => Ok(Self::Fatal),
            _ => Err(format!("invalid value for --log-level: {text}")),
        }
    }

    /// The word of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// Where lines go. Each line is one write.
pub enum LogOutput {
    /// The standard output of the process.
    Stdout,
    /// A file, appended to.
    File(File),
    /// Anything else.
    Writer(Mutex<Box<dyn Write + Send>>),
}

impl LogOutput {
    /// Opens a file for appending, created with the permissions 0644 when missing.
    ///
    /// # Errors
    /// Those of opening; the text names the file, as the target's does.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        let opened = options.open(path).map_err(|error| {
            let name = crate::quote(&path.display().to_string());
            io::Error::new(error.kind(), format!("failed to open log file {name}: {error}"))
        })?;
        Ok(Self::File(opened))
    }

    /// Writes one line; a reader that went away must not stop the role.
    fn write(&self, line: &[u8]) {
        let _ = match self {
            Self::Stdout => io::stdout().lock().write_all(line),
            Self::File(file) => (&*file).write_all(line),
            Self::Writer(writer) => match writer.lock() {
                Ok(mut writer) => writer.write_all(line),
                Err(_) => Ok(()),
            },
        };
    }
}

/// How a role logs.
pub struct LogOptions {
    /// From which importance on.
    pub level: LogLevel,
    /// JSON objects instead of `key=value` text.
    pub json: bool,
    /// The field `app_id`; left out when empty.
    pub app_id: String,
    /// The field `instance`, the name of the host.
    pub instance: String,
    /// The field `ver`, the release of the target that we report.
    pub version: String,
    /// Where to.
    pub output: LogOutput,
}

/// The subscriber of a role: run its future with `tracing::instrument::WithSubscriber`, or its thread with
/// `tracing::dispatcher::with_default`.
#[must_use]
pub fn subscriber(options: LogOptions) -> Dispatch {
    Dispatch::new(subscriber::LogSubscriber::new(options))
}

#[cfg(test)]
mod tests;

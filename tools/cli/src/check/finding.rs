//! One thing that `check` has to say, and where. Its text is what compilers print, so that editors can jump there.

use std::fmt;
use std::path::{Path, PathBuf};

use resources::Place;
use serde::Serialize;

/// Whether a sidecar could work with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Error,
    Warning,
}

/// One thing to say. Its message never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) file: PathBuf,
    /// Counted from 1; 0 for the file as a whole.
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

impl Finding {
    pub(super) fn new(severity: Severity, file: &Path, place: Option<Place>, message: impl Into<String>) -> Self {
        let Place { line, column } = place.unwrap_or(Place { line: 0, column: 0 });
        Self { severity, file: file.to_path_buf(), line, column, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if self.line > 0 {
            write!(formatter, ":{}:{}", self.line, self.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(formatter, ": {severity}: {}", self.message)
    }
}

//! One thing that is wrong with the tree, as every check reports it. Made by the checks, printed by `check`.

use std::fmt;
use std::path::PathBuf;

/// `file:line: what is wrong and how to mend it`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: PathBuf,
    line: usize,
    text: String,
}

impl Problem {
    /// A problem in `path` (from the root of the repository), at `line` counted from 1.
    pub(crate) fn new(path: impl Into<PathBuf>, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.into(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path.display(), self.line, self.text)
    }
}

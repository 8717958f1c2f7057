//! What the tests said: passes their output on as it comes, and counts. Used by `test`.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use anyhow::Context;

/// How a line starts that says what was not tested and why.
const SKIPPED: &str = "SKIPPED ";
/// How many lines of what failed are told again.
const LINES_AGAIN: usize = 400;

/// Numbers of tests, and the lines about what was skipped.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    skipped: Vec<String>,
    failures: Vec<String>,
    in_failures: bool,
}

impl Tally {
    /// Runs a command to its end, with its output passed on and counted; says whether it succeeded.
    pub(crate) fn follow(&mut self, mut command: Command) -> anyhow::Result<bool> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot run cargo")?;
        let errors = child.stderr.take().context("no standard error")?;
        let output = child.stdout.take().context("no standard output")?;
        let beside = std::thread::spawn(move || {
            let mut seen = Self::default();
            seen.pass_on(errors, std::io::stderr());
            seen
        });
        self.pass_on(output, std::io::stdout());
        let status = child.wait()?;
        if let Ok(seen) = beside.join() {
            self.skipped.extend(seen.skipped);
            self.failures.extend(seen.failures);
        }
        Ok(status.success())
    }

    fn pass_on(&mut self, from: impl Read, mut to: impl Write) {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            // A closed terminal is no reason to stop counting.
            let _ = writeln!(to, "{line}");
            self.note(&line);
        }
    }

    /// Counts one line of output.
    pub(crate) fn note(&mut self, line: &str) {
        // The name of the test that runs may stand in front, without an end of line.
        if let Some((_, reason)) = line.split_once(SKIPPED) {
            let line = format!("{SKIPPED}{}", reason.trim_end());
            if !self.skipped.contains(&line) {
                self.skipped.push(line);
            }
        }
        let result = line.split_once("test result: ");
        // A program of tests tells its failures between these two lines.
        self.in_failures = result.is_none() && (self.in_failures || line == "failures:");
        if self.in_failures && self.failures.len() < LINES_AGAIN {
            self.failures.push(line.to_owned());
        }
        let Some((_, numbers)) = result else { return };
        for part in numbers.split([';', '.']) {
            let mut words = part.split_whitespace();
            let Some(number) = words.next().and_then(|number| number.parse::<u64>().ok()) else { continue };
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                Some("ignored") => self.ignored += number,
                _ => {}
            }
        }
    }

    /// What was not tested, one line each.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// What the tests that failed said, as they said it, up to a bound.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// How many tests failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }
}

/// `N passed, N failed, N skipped`: a test that skipped itself is not counted as passed.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.skipped.len() as u64 + self.ignored;
        write!(formatter, "{} passed, {} failed, {skipped} skipped", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_are_added() {
        let mut tally = Tally::default();
        tally.note("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        tally.note("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s");
        tally.note("test a::b ... SKIPPED c: node is not installed");
        tally.note("SKIPPED c: node is not installed");
        assert_eq!(tally.to_string(), "15 passed, 2 failed, 2 skipped");
        assert_eq!(tally.skipped(), ["SKIPPED c: node is not installed"]);
    }

    #[test]
    fn what_failed_is_kept() {
        let mut tally = Tally::default();
        let lines = ["test a ... FAILED", "failures:", "---- a stdout ----", "why", "failures:", "    a"];
        for line in lines {
            tally.note(line);
        }
        tally.note("test result: FAILED. 0 passed; 1 failed; 0 ignored");
        tally.note("test b ... ok");
        assert_eq!(tally.failures(), &lines[1..]);
    }
}

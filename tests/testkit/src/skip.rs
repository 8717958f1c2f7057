//! What a test does that needs something this machine lacks (CONTRIBUTING.md): it says so, loudly, and ends.

use std::io::Write as _;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Says that `what` is skipped and why, past the test harness, which would swallow it.
pub fn skip(what: &str, why: &str) {
    writeln!(std::io::stderr(), "SKIPPED {what}: {why}").expect("standard error is open");
}

/// Raises the number of files that this process may have open; whether that many are allowed.
#[must_use]
pub fn may_open_files(count: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("every process has the limit");
    soft >= count || (hard >= count && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok())
}

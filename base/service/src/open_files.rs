//! The number of files and sockets this process may have open.
//! Called once by the executable at start: shells commonly allow 1024, which is less than a busy sidecar holds.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard limit, as the target's language runtime does. What cannot be
/// raised stays: the accept loop copes with running out.
pub fn raise_open_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(target: "dapr.runtime", "the limit of open files stays at {soft}: {error}");
    }
}

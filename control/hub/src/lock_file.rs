//! The guard of the start: a file beside the socket that one hub holds locked while it lives. The system lets go of it however the
//! hub ends. Called by `run` before anything else.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

/// The lock, as long as it is held.
#[derive(Debug)]
pub(crate) struct Held {
    _file: Flock<File>,
}

/// Takes the lock; `None` when another hub holds it.
pub(crate) fn take(socket: &Path) -> std::io::Result<Option<Held>> {
    let path = socket.with_extension("lock");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            // Who holds it, for people who look.
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())?;
            Ok(Some(Held { _file: file }))
        }
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_lock_until_it_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("hub.sock");
        let held = take(&socket).unwrap();
        assert!(held.is_some());
        assert!(take(&socket).unwrap().is_none());
        drop(held);
        assert!(take(&socket).unwrap().is_some());
    }
}

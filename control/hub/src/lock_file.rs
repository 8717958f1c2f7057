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
    match Flock::lock(open(socket)?, FlockArg::LockExclusiveNonblock) {
        Ok(file) => sign(file).map(Some),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

/// Takes the lock as soon as nobody else holds it. Blocks the thread until then.
pub(crate) fn take_when_free(socket: &Path) -> std::io::Result<Held> {
    let locked = Flock::lock(open(socket)?, FlockArg::LockExclusive);
    locked.map_err(|(_, error)| error.into()).and_then(sign)
}

fn open(socket: &Path) -> std::io::Result<File> {
    let path = socket.with_extension("lock");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Says who holds it, for people who look.
fn sign(mut file: Flock<File>) -> std::io::Result<Held> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Held { _file: file })
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
        let waiting = {
            let socket = socket.clone();
            std::thread::spawn(move || take_when_free(&socket).is_ok())
        };
        drop(held);
        assert!(waiting.join().unwrap());
        assert!(take(&socket).unwrap().is_some());
    }
}

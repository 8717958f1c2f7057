//! Where the socket of the hub is. Both ends follow this, so that they meet without being told. Pure, but for asking the system for
//! the user's number and for its folder of temporary files.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The variable that names the socket.
pub const SOCKET_VARIABLE: &str = "TRILBY_HUB_SOCKET";
/// The variable that names the runtime folder, in which the socket is then.
pub const RUNTIME_VARIABLE: &str = "TRILBY_RUNTIME_DIR";
/// What the system allows, without the NUL behind it.
pub const LONGEST_SOCKET_PATH: usize = 107;

const SOCKET: &str = "hub.sock";

/// Where the hub may listen, the likeliest first: the socket that `TRILBY_HUB_SOCKET` names, else in the folder that
/// `TRILBY_RUNTIME_DIR` names, else in `$XDG_RUNTIME_DIR/trilby`, else in `trilby-<user number>` of the folder for temporary files.
pub fn socket_candidates(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(socket) = named(SOCKET_VARIABLE) {
        return vec![socket];
    }
    if let Some(folder) = named(RUNTIME_VARIABLE) {
        return vec![socket_in(&folder)];
    }
    let session = named("XDG_RUNTIME_DIR").filter(|path| path.is_absolute());
    let temporary = named("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
    let own = temporary.join(format!("trilby-{}", nix::unistd::getuid()));
    session.map(|folder| folder.join("trilby")).into_iter().chain([own]).map(|folder| socket_in(&folder)).collect()
}

/// The socket that belongs to a runtime folder: in it, or where that path is longer than the system allows, in a folder of its own.
#[must_use]
pub fn socket_in(folder: &Path) -> PathBuf {
    let inside = folder.join(SOCKET);
    if inside.as_os_str().as_bytes().len() <= LONGEST_SOCKET_PATH {
        return inside;
    }
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    PathBuf::from(format!("/tmp/trilby-{}-{:016x}", nix::unistd::getuid(), hasher.finish())).join(SOCKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(pairs: &[(&str, &str)]) -> Vec<PathBuf> {
        let found = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        socket_candidates(found)
    }

    #[test]
    fn a_socket_is_looked_for_where_it_was_moved_to() {
        let own = PathBuf::from(format!("/tmp/trilby-{}/hub.sock", nix::unistd::getuid()));
        assert_eq!(candidates(&[]), std::slice::from_ref(&own));
        assert_eq!(
            candidates(&[("XDG_RUNTIME_DIR", "/run/user/7")]),
            [PathBuf::from("/run/user/7/trilby/hub.sock"), own]
        );
        assert_eq!(
            candidates(&[("TRILBY_RUNTIME_DIR", "/r"), ("XDG_RUNTIME_DIR", "/x")]),
            [PathBuf::from("/r/hub.sock")]
        );
        assert_eq!(candidates(&[("TRILBY_HUB_SOCKET", "/s"), ("TRILBY_RUNTIME_DIR", "/r")]), [PathBuf::from("/s")]);
    }

    #[test]
    fn a_folder_with_a_long_name_gets_a_short_socket_of_its_own() {
        let (one, other) = (format!("/{}/one", "x".repeat(100)), format!("/{}/other", "x".repeat(100)));
        let socket = socket_in(Path::new(&one));
        assert!(socket.as_os_str().len() <= LONGEST_SOCKET_PATH);
        assert_eq!(socket, socket_in(Path::new(&one)));
        assert_ne!(socket, socket_in(Path::new(&other)));
        assert_eq!(socket_in(Path::new("/r")), PathBuf::from("/r/hub.sock"));
    }
}

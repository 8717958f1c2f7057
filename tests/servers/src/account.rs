//! The account a server runs as: PostgreSQL refuses root. Used by the PostgreSQL server.

use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, chown};

/// Accounts that own nothing of ours, the best first.
const CANDIDATES: &[&str] = &["postgres", "nobody"];

/// Another account, for a test that runs as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) user: Uid,
    pub(crate) group: Gid,
}

impl Account {
    /// `None` where the test does not run as root: the server then runs as the tester.
    pub(crate) fn unless_already_plain() -> Option<Self> {
        if !Uid::effective().is_root() {
            return None;
        }
        let user = CANDIDATES.iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.expect("a machine has an account postgres or nobody");
        Some(Self { user: user.uid, group: user.gid })
    }

    /// Gives a file or folder to the account.
    pub(crate) fn own(self, path: &Path) {
        chown(path, Some(self.user), Some(self.group)).expect("root may give files away");
    }
}

/// Where folders go that another account must be able to enter: the tester's own place may be closed to it.
pub(crate) fn open_place(account: Option<Account>) -> PathBuf {
    if account.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() }
}

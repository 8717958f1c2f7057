//! The internal port of an app that is started without one: the same at each start on this machine, so that others
//! that remember it find it again. The algorithm is the target's (its `GetStablePort`).
//! Called by the options; whoever binds the port takes any other one when it is taken.

use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};

/// The first port that can come out.
const START: u16 = 47_300;

/// Where a sidecar was started: what its stable port depends on besides the app.
#[derive(Clone, Debug)]
pub struct Site {
    /// The working directory.
    pub working_directory: PathBuf,
    /// The user.
    pub user_id: u32,
    /// The name of the host.
    pub host: String,
}

impl Site {
    /// That of this process; what cannot be told is empty.
    #[must_use]
    pub fn of_process() -> Self {
        let host = nix::unistd::gethostname().unwrap_or_default();
        Self {
            working_directory: std::env::current_dir().unwrap_or_default(),
            user_id: nix::unistd::getuid().as_raw(),
            host: host.to_string_lossy().into_owned(),
        }
    }
}

/// The stable port of an app at a site: SHA-256 of `app|directory|user|host`, its first two bytes as a little-endian
/// number, modulo what is left below 65535.
#[must_use]
pub fn stable_port(app_id: &str, site: &Site) -> u16 {
    let Site { working_directory, user_id, host } = site;
    let text = format!("{app_id}|{}|{user_id}|{host}", working_directory.display());
    let hash = digest(&SHA256, text.as_bytes());
    let number = match hash.as_ref() {
        [low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    };
    START + number % (u16::MAX - START)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from the target: `daprd --app-id "my app"` in `/tmp/rd` on the host `vm` as root logged this port.
    #[test]
    fn the_port_is_the_one_the_target_takes() {
        let site = Site { working_directory: "/tmp/rd".into(), user_id: 0, host: "vm".into() };
        assert_eq!(stable_port("my app", &site), 58_281);
        assert_ne!(stable_port("other", &site), stable_port("my app", &site));
    }
}

//! The name of this machine, as logs and others see it.

/// Name of the host; empty if it has none.
#[must_use]
pub fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

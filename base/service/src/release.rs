//! The versions we tell others: the target's release, so that SDKs and tools know what to expect, and our own beside it.
//! Used wherever a role says who it is.

/// The target's release. Reported wherever the target reports its version.
pub const TARGET_VERSION: &str = "1.18.3";

/// The commit of the target that the wire follows.
pub const TARGET_COMMIT: &str = "d8450742ce3260d93a2346f4398a1e60d019a45b";

/// Our own version.
pub const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

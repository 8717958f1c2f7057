//! The variables that reach xtask. Every command asks here.

use std::ffi::OsString;

/// The value of a variable; `None` when it is not set or empty.
#[expect(clippy::disallowed_methods, reason = "xtask is no role of the product and has no options to hang it on")]
pub(crate) fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether this is a machine of the continuous integration (`CI=true`), where nothing may be skipped.
pub(crate) fn is_ci() -> bool {
    get("CI").is_some_and(|value| value == "true" || value == "1")
}

//! What whoever starts an app tells it through variables. Used by all apps.

/// A number from a variable, or `default` when it is not set or no number.
#[expect(clippy::disallowed_methods, reason = "an app is no role of the runtime and reads its variables as apps do")]
pub fn number(variable: &str, default: u16) -> u16 {
    std::env::var(variable).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(default)
}

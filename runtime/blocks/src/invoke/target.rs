//! What the target of a call names: an app, an app of another namespace, or a server outside the fleet.

use std::fmt;

use call::Failure;

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// An endpoint's name or an `http(s)://` URL.
    Outside(&'a str),
    /// An app of the fleet.
    App {
        /// App id.
        id: &'a str,
        /// Its namespace.
        namespace: &'a str,
    },
}

/// A target that names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTarget(String);

impl fmt::Display for InvalidTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for InvalidTarget {}

impl From<InvalidTarget> for Failure {
    fn from(invalid: InvalidTarget) -> Self {
        Self::plain(invalid.0)
    }
}

impl<'a> Target<'a> {
    /// Reads a target as the target runtime does: `http://` and `https://` are URLs, a known endpoint wins over an app, and
    /// `id.namespace` names an app of another namespace.
    ///
    /// # Errors
    /// [`InvalidTarget`] when it is empty or has more than one dot.
    pub fn parse(text: &'a str, namespace: &'a str, is_endpoint: impl Fn(&str) -> bool) -> Result<Self, InvalidTarget> {
        if text.is_empty() {
            return Err(InvalidTarget("app id is empty".into()));
        }
        if text.starts_with("http://") || text.starts_with("https://") || is_endpoint(text) {
            return Ok(Self::Outside(text));
        }
        let mut parts = text.split('.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(id), None, _) => Ok(Self::App { id, namespace }),
            (Some(id), Some(other), None) => Ok(Self::App { id, namespace: other }),
            _ => Err(InvalidTarget(format!("invalid app id {text}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_app_a_namespaced_app_or_outside() {
        let endpoints = |name: &str| name == "github.api";
        let app = |id: &'static str, namespace: &'static str| Ok(Target::App { id, namespace });
        assert_eq!(Target::parse("a", "n", endpoints), app("a", "n"));
        assert_eq!(Target::parse("a.m", "n", endpoints), app("a", "m"));
        assert_eq!(Target::parse("github.api", "n", endpoints), Ok(Target::Outside("github.api")));
        assert_eq!(Target::parse("https://x/y", "n", endpoints), Ok(Target::Outside("https://x/y")));
        assert!(Target::parse("a.b.c", "n", endpoints).is_err());
        assert!(Target::parse("", "n", endpoints).is_err());
    }
}

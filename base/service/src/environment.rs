//! One snapshot of the environment variables of a role.
//! Every role and component reads variables from here, never from the process: tests and many roles in one process
//! each bring their own. It must not be written to after it was made.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A snapshot of environment variables; cloning is cheap. Its debug form shows the names only, values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
}

impl Environment {
    /// Takes the variables of this process as they are now. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the snapshot is taken")]
    pub fn from_process() -> Self {
        let pairs = std::env::vars_os();
        Self::from_pairs(
            pairs.map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())),
        )
    }

    /// Makes a snapshot from names and values; of a repeated name the last value stays.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables: Arc::new(variables) }
    }

    /// A snapshot of these variables besides those of this one, whose equal names they hide. This one stays as it is.
    #[must_use]
    pub fn with<N: Into<String>, V: Into<String>>(&self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut variables = BTreeMap::clone(&self.variables);
        variables.extend(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        Self { variables: Arc::new(variables) }
    }

    /// The value of a variable, `None` when it is not set. A variable set to nothing is `Some("")`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Every name and value, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_keeps_the_last_value_of_a_name() {
        let environment = Environment::from_pairs([("A", "1"), ("B", ""), ("A", "2")]);
        assert_eq!(environment.get("A"), Some("2"));
        assert_eq!(environment.get("B"), Some(""));
        assert_eq!(environment.get("C"), None);
        assert_eq!(environment.iter().collect::<Vec<_>>(), [("A", "2"), ("B", "")]);
    }

    #[test]
    fn added_variables_hide_those_of_the_original_only_in_the_copy() {
        let environment = Environment::from_pairs([("A", "1"), ("B", "2")]);
        let extended = environment.with([("B", "3"), ("C", "4")]);
        assert_eq!(extended.iter().collect::<Vec<_>>(), [("A", "1"), ("B", "3"), ("C", "4")]);
        assert_eq!((environment.get("B"), environment.get("C")), (Some("2"), None));
    }

    #[test]
    fn debug_shows_no_value() {
        let environment = Environment::from_pairs([("DAPR_API_TOKEN", "secret")]);
        assert_eq!(format!("{environment:?}"), r#"{"DAPR_API_TOKEN"}"#);
    }

    #[test]
    fn the_process_has_a_path() {
        assert!(Environment::from_process().get("PATH").is_some());
    }
}

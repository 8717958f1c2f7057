//! The environment variables of the process, for backends whose job is to hand them out. Filled in by `sidecar` from its one
//! snapshot; a backend must not read the process's own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Names and values of environment variables. Cheap to clone; its debug form shows the names only, values may be secrets.
#[derive(Clone, Default)]
pub struct Variables(Arc<BTreeMap<String, String>>);

impl Variables {
    /// The value of a variable, `None` when it is not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every name and value, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<Name: Into<String>, Value: Into<String>> FromIterator<(Name, Value)> for Variables {
    fn from_iter<Pairs: IntoIterator<Item = (Name, Value)>>(pairs: Pairs) -> Self {
        Self(Arc::new(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let variables: Variables = [("TOKEN", "hunter2")].into_iter().collect();
        assert_eq!(format!("{variables:?}"), r#"{"TOKEN"}"#);
        assert_eq!(variables.get("TOKEN"), Some("hunter2"));
    }
}

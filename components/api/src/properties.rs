//! The metadata of one component after references were resolved: names and values as text. Read by `Settings::parse`;
//! its `Debug` must never show a value.

use std::fmt;

use crate::nearest;
use crate::settings::SettingsError;

/// Names and values of a component's metadata. Names are compared without regard to case, as the target does.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    entries: Vec<(String, String)>,
}

/// A name that no field has, but that looks like a misspelling of some.
#[derive(Debug, PartialEq, Eq)]
pub struct Unrecognized {
    /// The name given.
    pub name: String,
    /// The field names it may have meant, best first.
    pub nearest: Vec<&'static str>,
}

impl Properties {
    /// The value of a name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.entries.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All names and values in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The target refuses metadata in which two names differ only in case.
    pub(crate) fn refuse_duplicates(&self) -> Result<(), SettingsError> {
        let mut seen = std::collections::HashSet::with_capacity(self.entries.len());
        match self.entries.iter().find(|(name, _)| !seen.insert(name.to_ascii_lowercase())) {
            Some((name, _)) => Err(SettingsError::Duplicate { name: name.to_ascii_lowercase() }),
            None => Ok(()),
        }
    }

    /// Names that are none of `known` (given in their usual case) but come close to one. Names that resemble nothing
    /// are left alone: the target ignores them, and apps use them as notes.
    pub fn near_misses(&self, known: impl IntoIterator<Item = &'static str>) -> Vec<Unrecognized> {
        let known: Vec<&'static str> = known.into_iter().collect();
        self.entries
            .iter()
            .filter(|(name, _)| !known.iter().any(|known| known.eq_ignore_ascii_case(name)))
            .map(|(name, _)| Unrecognized { name: name.clone(), nearest: nearest(name, known.iter().copied()) })
            .filter(|unrecognized| !unrecognized.nearest.is_empty())
            .collect()
    }
}

impl<Name: Into<String>, Value: Into<String>> FromIterator<(Name, Value)> for Properties {
    /// The same name twice, in the same case, keeps the last value.
    fn from_iter<Pairs: IntoIterator<Item = (Name, Value)>>(pairs: Pairs) -> Self {
        let mut entries: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            match entries.iter_mut().find(|(known, _)| *known == name) {
                Some(entry) => entry.1 = value,
                None => entries.push((name, value)),
            }
        }
        Self { entries }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

//! Under which keys of the hub's ledger the building blocks keep what they have. Used by the hub's components and by its commands.
//! What begins with `topics/` is the broker's (`base/topics/src/names.rs`), and nobody else reads or writes it.

use bytes::Bytes;

/// The database of who names none.
pub const USUAL_DATABASE: &str = "default";

/// Which building block a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// State.
    State,
    /// Configuration.
    Configuration,
    /// Locks.
    Locks,
}

/// What all keys of an area and a database begin with.
#[must_use]
pub fn prefix(area: Area, database: &str) -> String {
    let area = match area {
        Area::State => "state",
        Area::Configuration => "configuration",
        Area::Locks => "locks",
    };
    format!("{area}/{database}/")
}

/// A key of an area and a database.
#[must_use]
pub fn key(area: Area, database: &str, key: &str) -> Bytes {
    let mut whole = prefix(area, database);
    whole.push_str(key);
    Bytes::from(whole)
}

/// Refuses a name of a database that would not keep it apart from others.
///
/// # Errors
/// What is wrong with it.
pub fn check_database(name: &str) -> Result<(), String> {
    let is_fine = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if is_fine {
        return Ok(());
    }
    Err(format!("'{name}' is no name of a database: letters, digits, dots, dashes and underscores are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_cannot_reach_into_each_other() {
        assert_eq!(key(Area::State, "default", "a/b||c"), Bytes::from_static(b"state/default/a/b||c"));
        for name in ["", "a/b", "a b", "ä"] {
            assert!(check_database(name).is_err(), "{name}");
        }
        assert!(check_database("redis-0").is_ok());
    }
}

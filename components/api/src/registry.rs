//! Looks a component type and version up by the target's rules, and explains what it does not find. Filled by
//! `components/all`, asked by `loaded`.

use std::fmt;

use crate::{Family, Registration, Version, nearest};

/// The backends of a build, and the type names the target knows.
#[derive(Debug, Clone)]
pub struct Registry {
    rows: Vec<&'static Registration>,
    known: &'static [&'static str],
}

/// A type or version that this build does not have. Its text starts with the target's words and adds what would help.
#[derive(Debug, PartialEq, Eq)]
pub struct LookupError {
    component_type: String,
    version: String,
    reason: Reason,
}

#[derive(Debug, PartialEq, Eq)]
enum Reason {
    /// The type is here in other versions only.
    OtherVersions(Vec<&'static str>),
    /// The target has the type, this build has not.
    NotInThisBuild { has: Vec<&'static str> },
    /// Nobody has the type.
    Unknown { nearest: Vec<&'static str>, has: Vec<&'static str> },
}

impl Registry {
    /// A registry of `rows`. `known` are the full type names of the target in lower case, aliases included.
    pub fn new(rows: impl IntoIterator<Item = &'static Registration>, known: &'static [&'static str]) -> Self {
        Self { rows: rows.into_iter().collect(), known }
    }

    /// All implementations, in the order given.
    pub fn registrations(&self) -> impl Iterator<Item = &'static Registration> {
        self.rows.iter().copied()
    }

    /// The implementation a resource means. Type and version are compared in lower case; a type without versions takes
    /// an empty version, `v0` and `v1`; a type with versions takes those, and its default when the version is empty.
    pub fn find(&self, component_type: &str, version: &str) -> Result<&'static Registration, LookupError> {
        let (wanted_type, wanted_version) = (component_type.to_lowercase(), version.to_lowercase());
        let named = || self.registrations().filter(|row| row.is_called(&wanted_type));
        if let Some(found) = named().find(|row| accepts(row.version, &wanted_version)) {
            return Ok(found);
        }
        let versions: Vec<&'static str> = named().map(|row| version_name(row.version)).collect();
        let reason = if versions.is_empty() { self.missing(&wanted_type) } else { Reason::OtherVersions(versions) };
        Err(LookupError { component_type: component_type.to_owned(), version: version.to_owned(), reason })
    }

    fn missing(&self, wanted: &str) -> Reason {
        let family = Family::of(wanted);
        let mut has: Vec<&'static str> =
            self.registrations().filter(|row| Some(row.family()) == family).map(|row| row.component_type).collect();
        has.dedup();
        if self.known.contains(&wanted) {
            return Reason::NotInThisBuild { has };
        }
        let names =
            self.registrations().flat_map(|row| std::iter::once(row.component_type).chain(row.aliases.iter().copied()));
        Reason::Unknown { nearest: nearest(wanted, names.chain(self.known.iter().copied())), has }
    }
}

impl LookupError {
    /// Whether the type is known here and only its version is not.
    pub fn is_about_version(&self) -> bool {
        matches!(self.reason, Reason::OtherVersions(_))
    }
}

fn accepts(version: Version, wanted: &str) -> bool {
    match version {
        Version::Any => matches!(wanted, "" | "v0" | "v1"),
        Version::Named { name, default, .. } => name == wanted || (default && wanted.is_empty()),
    }
}

fn version_name(version: Version) -> &'static str {
    match version {
        Version::Any => "v1",
        Version::Named { name, .. } => name,
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = Family::of(&self.component_type).map_or("component", Family::noun);
        write!(formatter, "couldn't find {noun} {}/{}: ", self.component_type, self.version)?;
        match &self.reason {
            Reason::OtherVersions(versions) => {
                write!(formatter, "this build has it in version {}", versions.join(", "))
            }
            Reason::NotInThisBuild { has } => {
                formatter.write_str("the type is known to Dapr but not part of this build")?;
                write_what_there_is(formatter, noun, has)
            }
            Reason::Unknown { nearest, has } => {
                match nearest.as_slice() {
                    [] => formatter.write_str("there is no such type")?,
                    names => write!(formatter, "there is no such type, did you mean {}?", names.join(" or "))?,
                }
                write_what_there_is(formatter, noun, has)
            }
        }
    }
}

fn write_what_there_is(formatter: &mut fmt::Formatter<'_>, noun: &str, has: &[&'static str]) -> fmt::Result {
    match has {
        [] => write!(formatter, "; this build has no {noun} at all"),
        names => write!(formatter, "; this build has {}", names.join(", ")),
    }
}

impl std::error::Error for LookupError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Constructor, Error, ErrorKind};

    const fn row(component_type: &'static str, version: Version) -> Registration {
        Registration {
            component_type,
            aliases: &[],
            version,
            summary: "",
            fields: &[],
            constructor: Constructor::StateStore(|_| Box::pin(async { Err(Error::new(ErrorKind::NotSupported, "")) })),
        }
    }

    const ROWS: &[Registration] = &[
        Registration { aliases: &["state.lite3"], ..row("state.lite", Version::Any) },
        row("state.post", Version::Named { name: "v1", default: true, deprecated_for: Some("v2") }),
        row("state.post", Version::Named { name: "v2", default: false, deprecated_for: None }),
    ];

    fn registry() -> Registry {
        Registry::new(ROWS, &["state.lite", "state.post", "state.etcd", "pubsub.kafka"])
    }

    fn explain(component_type: &str, version: &str) -> String {
        registry().find(component_type, version).unwrap_err().to_string()
    }

    #[test]
    fn a_type_without_versions_takes_none_v0_and_v1_in_any_case() {
        for version in ["", "v0", "v1", "V1"] {
            assert_eq!(registry().find("STATE.Lite", version).unwrap().component_type, "state.lite");
        }
        assert_eq!(registry().find("state.lite3", "").unwrap().component_type, "state.lite");
    }

    #[test]
    fn a_type_with_versions_takes_those_and_its_default() {
        let version = |wanted| registry().find("state.post", wanted).unwrap().version;
        assert_eq!(version(""), version("v1"));
        assert_ne!(version("v2"), version("v1"));
        assert_eq!(
            explain("state.post", "v0"),
            "couldn't find state store state.post/v0: this build has it in version v1, v2"
        );
    }

    #[test]
    fn a_type_the_target_has_is_told_from_one_nobody_has() {
        assert_eq!(
            explain("state.etcd", "v2"),
            "couldn't find state store state.etcd/v2: the type is known to Dapr but not part of this build; this build \
             has state.lite, state.post"
        );
        assert_eq!(
            explain("pubsub.kafka", ""),
            "couldn't find message bus pubsub.kafka/: the type is known to Dapr but not part of this build; this build \
             has no message bus at all"
        );
        assert_eq!(
            explain("state.lits", "v1"),
            "couldn't find state store state.lits/v1: there is no such type, did you mean state.lite or state.lite3 or \
             state.post?; this build has state.lite, state.post"
        );
    }
}

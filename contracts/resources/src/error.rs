//! Everything that can be wrong with resources, in one enum, with messages that name the place.
//!
//! Used by all files of this crate and shown to people by its callers. Texts that the target's users and tools know
//! (duplicates, incorrect type, repeated store) are the target's, word for word.

use std::fmt;
use std::path::PathBuf;

/// A line and column of a file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line of the file, not of the document inside it.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

/// What is wrong inside a document: where, at which path, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is; none only for what has no place, such as a file that is too large.
    pub place: Option<Place>,
    /// Path in the document, for example `spec.metadata[2].name`; empty for the document itself.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
}

impl Problem {
    /// A problem without a path.
    pub(crate) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), path: String::new(), message: message.into() }
    }

    /// A problem of a whole file.
    pub(crate) fn of_file(message: impl Into<String>) -> Self {
        Self { place: None, path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(out, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl serde::de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of_file(message.to_string())
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::of_file(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::of_file(format!("expected {expected}, found {found}"))
    }
}

/// One resource whose name is taken by an earlier one of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The kind, for example `Component`.
    pub kind: &'static str,
    /// The later one, as logs name it.
    pub name: String,
    /// The earlier one, as logs name it.
    pub existing: String,
}

/// Why resources or configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A folder or file that was named on the command line cannot be read.
    Unreadable {
        /// What was tried, as the target words it: `open` or `stat`.
        action: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// Why, in lower case.
        reason: String,
    },
    /// Names given more than once, in the order of the files.
    Duplicates(Vec<Duplicate>),
    /// A Configuration file that cannot be read into its type.
    Configuration {
        /// The file.
        file: PathBuf,
        /// What is wrong in it.
        problem: Problem,
    },
    /// Two scopes of `spec.secrets` name the same store.
    RepeatedSecretStore(String),
    /// A scope of `spec.secrets` has a default other than allow or deny.
    SecretDefaultAccess(String),
    /// A component's type is of no category that can be loaded.
    IncorrectType(String),
    /// A setting contains `{podName}`, but the pod's name is not known. Holds the setting's name.
    PodNameUnset(String),
    /// A variable of OpenTelemetry cannot be understood. Holds the whole message.
    TracingVariable(String),
    /// A resource breaks the rules of its kind.
    Invalid {
        /// The kind, for example `MCPServer`.
        kind: &'static str,
        /// The resource's name.
        name: String,
        /// Every broken rule, each with the path of the field.
        reasons: Vec<String>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { action, path, reason } => write!(out, "{action} {}: {reason}", path.display()),
            Self::Duplicates(duplicates) => {
                for (index, duplicate) in duplicates.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "\n" };
                    let Duplicate { kind, name, existing } = duplicate;
                    write!(out, "{separator}duplicate definition of {kind} name {name} with existing {existing}")?;
                }
                Ok(())
            }
            Self::Configuration { file, problem } => write!(out, "{}: {problem}", file.display()),
            Self::RepeatedSecretStore(store) => write!(out, "{store} storeName is repeated in secrets configuration"),
            Self::SecretDefaultAccess(access) => write!(out, "defaultAccess {access} can be either allow or deny"),
            Self::IncorrectType(component_type) => write!(out, "incorrect type {component_type}"),
            Self::PodNameUnset(name) => {
                write!(out, "failed to parse metadata: property {name} refers to {{podName}} but podName is not set")
            }
            Self::TracingVariable(message) => out.write_str(message),
            Self::Invalid { reasons, .. } => out.write_str(&reasons.join("; ")),
        }
    }
}

impl std::error::Error for Error {}

/// The reason of an I/O error in the operating system's words, lower case and without its number, as the target logs it.
pub(crate) fn reason_of(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

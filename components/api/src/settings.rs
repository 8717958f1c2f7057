//! Typed settings out of a component's metadata. `#[derive(Settings)]` writes the implementation; backends call `parse`
//! in their constructor, and the reference page is made from `FIELDS`.

mod value;

use std::fmt;

pub use value::SettingValue;

use crate::{Error, ErrorKind, Properties};

/// The metadata one component type reads.
///
/// ```ignore
/// #[derive(Settings)]
/// struct RedisSettings {
///     /// Host and port of the server.
///     #[setting(name = "redisHost", aliases("host"), required)]
///     redis_host: String,
///     /// Password, if the server wants one.
///     #[setting(name = "redisPassword", secret)]
///     redis_password: Option<String>,
///     /// How long to wait for an answer.
///     #[setting(default = "3s")]
///     read_timeout: Duration,
///     /// How many connections to hold.
///     #[setting(default = "10", min = 1, max = 1000)]
///     pool_size: u32,
/// }
/// ```
///
/// A field's name is its Rust name in camel case unless `name` says otherwise; its documentation comes from its
/// comment. The derive also writes a `Debug` that hides fields marked `secret`.
pub trait Settings: Sized {
    /// What is read, in the order written.
    const FIELDS: &'static [Field];

    /// Reads the metadata. Names are compared without regard to case; unknown names are ignored, as the target does.
    fn parse(properties: &Properties) -> Result<Self, SettingsError>;
}

/// One entry of metadata that a component type reads.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name in metadata.
    pub name: &'static str,
    /// Other names that mean the same; the first one given counts, after `name`.
    pub aliases: &'static [&'static str],
    /// Name of its type, for the reference page.
    pub kind: &'static str,
    /// What is taken when it is not given, as text.
    pub default: Option<&'static str>,
    /// Whether it must be given and not be empty.
    pub required: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// Smallest number allowed.
    pub minimum: Option<i128>,
    /// Largest number allowed.
    pub maximum: Option<i128>,
    /// What it is for.
    pub doc: &'static str,
    /// Whether what is given for it can be read; usually [`judge`].
    pub judge: fn(&Properties, &Field) -> Judgement,
}

/// What is to be said of what was given for a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It is right, or nothing was given and nothing is needed.
    Right,
    /// It is read, but perhaps not as it was meant; the sentence says how.
    Doubtful(String),
    /// It cannot be read.
    Wrong(SettingsError),
}

impl Field {
    /// What is given for it, under any of its names.
    pub fn given<'properties>(&self, properties: &'properties Properties) -> Option<&'properties str> {
        self.names().find_map(|name| properties.get(name))
    }

    /// Every name it may be given under.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Metadata that cannot be read. Its text names the field, what was given (unless secret) and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// A required field is absent or empty.
    Missing {
        /// Name of the field.
        name: &'static str,
        /// What would be right.
        expected: String,
    },
    /// A value cannot be read.
    Invalid {
        /// Name of the field.
        name: &'static str,
        /// The value; `None` if it is a secret.
        given: Option<String>,
        /// What would be right.
        expected: String,
    },
    /// Two names differ only in case.
    Duplicate {
        /// The name in lower case.
        name: String,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Missing { name, expected } => {
                write!(formatter, "metadata field {name} is missing: expected {expected}")
            }
            SettingsError::Invalid { name, given: Some(given), expected } => {
                write!(formatter, "metadata field {name} is {given:?}: expected {expected}")
            }
            SettingsError::Invalid { name, given: None, expected } => {
                write!(formatter, "metadata field {name} has a value that cannot be read: expected {expected}")
            }
            SettingsError::Duplicate { name } => write!(formatter, "key {name} is duplicate in the metadata"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        Error::new(ErrorKind::InvalidArgument, error.to_string())
    }
}

/// Refuses metadata in which two names differ only in case. Called by the derived `parse`.
///
/// # Errors
/// `SettingsError::Duplicate`.
pub fn check_names(properties: &Properties) -> Result<(), SettingsError> {
    properties.refuse_duplicates()
}

/// Reads one field. Called by the derived `parse`.
///
/// # Errors
/// `Missing` or `Invalid`.
pub fn read<T: SettingValue>(properties: &Properties, field: &Field) -> Result<T, SettingsError> {
    let given = field.given(properties);
    let given = given.filter(|text| !text.is_empty() || (T::EMPTY_IS_A_VALUE && !field.required));
    match given.or(field.default) {
        Some(text) => {
            T::from_text(text).filter(|value| within_bounds(value, field)).ok_or_else(|| SettingsError::Invalid {
                name: field.name,
                given: (!field.secret).then(|| text.to_owned()),
                expected: expected::<T>(field),
            })
        }
        None if field.required => Err(SettingsError::Missing { name: field.name, expected: expected::<T>(field) }),
        None => Ok(T::default()),
    }
}

/// Judges one field by its type. Called through [`Field::judge`].
pub fn judge<T: SettingValue>(properties: &Properties, field: &Field) -> Judgement {
    if let Err(error) = read::<T>(properties, field) {
        return Judgement::Wrong(error);
    }
    match field.given(properties).filter(|text| !T::is_usual(text)) {
        Some(text) if !field.secret => Judgement::Doubtful(format!(
            "metadata field {} is {text:?}: expected {}; it is read as {}",
            field.name,
            T::EXPECTED,
            T::UNUSUAL
        )),
        _ => Judgement::Right,
    }
}

fn within_bounds<T: SettingValue>(value: &T, field: &Field) -> bool {
    let Some(number) = value.number() else { return true };
    field.minimum.is_none_or(|minimum| number >= minimum) && field.maximum.is_none_or(|maximum| number <= maximum)
}

fn expected<T: SettingValue>(field: &Field) -> String {
    match (field.minimum, field.maximum) {
        (Some(minimum), Some(maximum)) => format!("{} from {minimum} to {maximum}", T::EXPECTED),
        (Some(minimum), None) => format!("{} of at least {minimum}", T::EXPECTED),
        (None, Some(maximum)) => format!("{} of at most {maximum}", T::EXPECTED),
        (None, None) => T::EXPECTED.to_owned(),
    }
}

#[cfg(test)]
mod tests;

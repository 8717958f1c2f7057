//! Why an expression was refused or gave no answer. Returned by [`crate::Rule`].

use std::fmt;

/// Why an expression was refused, or gave no answer for an event. The reasons are for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It is not an expression, names a function that does not exist, or is larger than one may be.
    Refused(String),
    /// It failed on this event: an attribute that is not there, for example.
    Failed(String),
    /// It gave something other than true or false; the expression.
    NotBoolean(String),
    /// The event is too large for what the expression does with it.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) | Self::Failed(reason) => formatter.write_str(reason),
            Self::NotBoolean(expression) => {
                write!(formatter, "the result of match expression {expression} was not a boolean")
            }
            Self::TooLarge => formatter.write_str("the event is too large for the match expression"),
        }
    }
}

impl std::error::Error for Error {}

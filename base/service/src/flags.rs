//! The command line of a role: its flags as a table, what was given, and the text of `--help`.
//! Called by the options of each role, which bring the table and decide what the values mean.

mod given;
mod help;

pub use given::Given;

/// What a flag's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// `--flag`, `--flag=true`, `--flag=false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number that is not negative.
    Unsigned,
    /// A duration such as `1m30s`.
    Duration,
    /// A comma-separated list; the flag can be repeated.
    List,
}

/// One flag.
#[derive(Debug)]
pub struct Flag {
    /// The name without dashes.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// The value when it is not given.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// What to say when it is used although it is deprecated; such a flag is not listed by `--help`.
    pub deprecated: Option<&'static str>,
}

/// A flag.
#[must_use]
pub const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, default, help, deprecated: None }
}

/// A deprecated flag; `instead` completes the sentence "Flag ... has been deprecated, ...".
#[must_use]
pub const fn old(name: &'static str, kind: Kind, default: &'static str, instead: &'static str) -> Flag {
    Flag { name, kind, default, help: "Deprecated.", deprecated: Some(instead) }
}

/// The flags of a program.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// The name of the program.
    pub program: &'static str,
    /// All flags, sorted by name.
    pub all: &'static [Flag],
}

impl Flags {
    /// The flag of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Flag> {
        self.all.iter().find(|flag| flag.name == name)
    }

    /// The text of `--help`.
    #[must_use]
    pub fn help(&self) -> String {
        help::text(*self)
    }
}

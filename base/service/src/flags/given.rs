//! Reading a command line by the rules of the target's flag library (pflag): one or two dashes, `=` or a blank,
//! booleans without a value, the last of a repeated flag, lists that add up. A parser of its own and not the one of
//! our command line tool, because its messages, three-state flags and deprecations are part of what scripts see.
//! Called by the options of each role. It checks notations, not meanings.

use std::collections::BTreeMap;
use std::time::Duration;

use schedule::{GoDuration, parse_go_duration};

use super::{Flag, Flags, Kind};
use crate::Host;

/// What was given, value by value.
#[derive(Debug)]
pub struct Given {
    flags: Flags,
    values: BTreeMap<&'static str, Vec<String>>,
    /// `--help` or `-h` came first.
    pub help: bool,
    /// A line for each deprecated flag, in the order of use.
    pub deprecations: Vec<String>,
}

impl Given {
    /// Reads arguments (without the program's name).
    ///
    /// # Errors
    /// A sentence that names the flag: an unknown one, one without its value, a value of another kind.
    pub fn read(flags: Flags, arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut given = Self { flags, values: BTreeMap::new(), help: false, deprecations: Vec::new() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                break;
            }
            let Some(rest) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) else { continue };
            let body = rest.strip_prefix('-').unwrap_or(rest);
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            if name.is_empty() || name.starts_with('-') {
                return Err(format!("bad flag syntax: {argument}"));
            }
            if name == "help" || argument == "-h" {
                given.help = true;
                return Ok(given);
            }
            let flag = flags.find(name).ok_or_else(|| unknown(flags, name))?;
            let value = match value {
                Some(value) => value,
                None if flag.kind == Kind::Boolean => "true".to_owned(),
                None => arguments.next().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
            };
            given.set(flag, value)?;
        }
        Ok(given)
    }

    fn set(&mut self, flag: &'static Flag, value: String) -> Result<(), String> {
        let refuse = |reason: String| {
            let value = telemetry::quote(&value);
            format!("invalid argument {value} for \"--{}\" flag: {reason}", flag.name)
        };
        match flag.kind {
            Kind::Text => {}
            Kind::Boolean => drop(boolean(&value).map_err(refuse)?),
            Kind::Integer => drop(integer(&value, "ParseInt").map_err(refuse)?),
            Kind::Unsigned => {
                let number = integer(&value, "ParseUint").map_err(refuse)?;
                u32::try_from(number).map_err(|_| refuse(not_a_number(&value, "ParseUint")))?;
            }
            Kind::Duration => drop(parse_go_duration(&value).map_err(|error| refuse(error.to_string()))?),
            Kind::List => drop(list(&value).map_err(refuse)?),
        }
        if let Some(instead) = flag.deprecated {
            self.deprecations.push(format!("Flag --{} has been deprecated, {instead}", flag.name));
        }
        self.values.entry(flag.name).or_default().push(value);
        Ok(())
    }

    /// Whether a flag was given at all.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The text of a flag: the last given, or its default.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let given = self.values.get(name).and_then(|values| values.last());
        given.map(String::as_str).or_else(|| self.flags.find(name).map(|flag| flag.default)).unwrap_or_default()
    }

    /// The text of a flag unless it is empty.
    #[must_use]
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Whether a boolean flag is on.
    #[must_use]
    pub fn boolean(&self, name: &str) -> bool {
        boolean(self.text(name)).unwrap_or_default()
    }

    /// A whole number.
    #[must_use]
    pub fn integer(&self, name: &str) -> i64 {
        integer(self.text(name), "ParseInt").unwrap_or_default()
    }

    /// A duration; one below zero counts as zero.
    #[must_use]
    pub fn duration(&self, name: &str) -> Duration {
        parse_go_duration(self.text(name)).map(GoDuration::to_std_or_zero).unwrap_or_default()
    }

    /// Every entry of a list, of all its uses.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let uses = self.values.get(name).into_iter().flatten();
        uses.flat_map(|value| list(value).unwrap_or_default()).collect()
    }

    /// A port that is written as text; `label` is what the message calls the flag.
    ///
    /// # Errors
    /// The target's message for what is no number, ours for a number that is no port.
    pub fn text_port(&self, name: &str, label: &str) -> Result<u16, String> {
        let text = self.text(name);
        let number: i64 = text.parse().map_err(|_| {
            format!("error parsing {label}: strconv.Atoi: parsing {}: invalid syntax", telemetry::quote(text))
        })?;
        u16::try_from(number).map_err(|_| format!("error parsing {label}: {number} is not a port, expected 0 to 65535"))
    }

    /// A port that is a whole number.
    ///
    /// # Errors
    /// A sentence that names the flag, when the number is no port.
    pub fn port(&self, name: &str) -> Result<u16, String> {
        let number = self.integer(name);
        u16::try_from(number)
            .map_err(|_| format!("invalid value for '{name}': {number} is not a port, expected 0 to 65535"))
    }

    /// A host to listen on.
    ///
    /// # Errors
    /// A sentence that names the flag.
    pub fn host(&self, name: &str) -> Result<Host, String> {
        Host::parse(self.text(name)).map_err(|reason| format!("invalid value for '{name}': {reason}"))
    }
}

fn unknown(flags: Flags, name: &str) -> String {
    let program = flags.program;
    let distance = |flag: &&Flag| edit_distance(name, flag.name);
    let listed = || flags.all.iter().filter(|flag| flag.deprecated.is_none());
    let near = listed().min_by_key(distance).filter(|flag| distance(flag) <= (name.len() / 3).max(2));
    match near {
        Some(flag) => format!("unknown flag: --{name}; did you mean --{}? All flags: {program} --help", flag.name),
        None => format!("unknown flag: --{name}; all flags: {program} --help"),
    }
}

/// How many characters must be changed, added or removed.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, left_byte) in left.bytes().enumerate() {
        let mut corner = line;
        let mut previous = line + 1;
        for (cell, right_byte) in row.iter_mut().zip(std::iter::once(None).chain(right.bytes().map(Some))) {
            let above = *cell;
            *cell = match right_byte {
                None => line + 1,
                Some(byte) => (corner + usize::from(byte != left_byte)).min(above + 1).min(previous + 1),
            };
            previous = *cell;
            corner = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(not_a_number(text, "ParseBool")),
    }
}

fn integer(text: &str, function: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)),
        Some("0b") => (2, lower.get(2..)),
        Some("0o") => (8, lower.get(2..)),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)),
        _ => (10, Some(lower.as_str())),
    };
    let parsed = digits.filter(|digits| digits.starts_with(|first: char| first.is_ascii_hexdigit()));
    let parsed = parsed.and_then(|digits| i64::from_str_radix(&format!("{sign}{digits}"), base).ok());
    parsed.ok_or_else(|| not_a_number(text, function))
}

fn not_a_number(text: &str, function: &str) -> String {
    format!("strconv.{function}: parsing {}: invalid syntax", telemetry::quote(text))
}

/// One record of comma-separated values; entries in double quotes can hold commas.
fn list(text: &str) -> Result<Vec<String>, String> {
    let mut entries = Vec::new();
    if text.is_empty() {
        return Ok(entries);
    }
    let mut rest = Some(text);
    while let Some(current) = rest {
        let Some(mut quoted) = current.strip_prefix('"') else {
            let (entry, after) = match current.split_once(',') {
                Some((entry, after)) => (entry, Some(after)),
                None => (current, None),
            };
            if entry.contains('"') {
                return Err("bare \" in non-quoted field".to_owned());
            }
            entries.push(entry.to_owned());
            rest = after;
            continue;
        };
        let mut entry = String::new();
        rest = loop {
            let (part, after) = quoted.split_once('"').ok_or("extraneous or missing \" in quoted-field")?;
            entry.push_str(part);
            match after.as_bytes().first() {
                None => break None,
                Some(b',') => break after.get(1..),
                Some(b'"') => {
                    entry.push('"');
                    quoted = after.get(1..).unwrap_or_default();
                }
                Some(_) => return Err("extraneous or missing \" in quoted-field".to_owned()),
            }
        };
        entries.push(entry);
    }
    Ok(entries)
}

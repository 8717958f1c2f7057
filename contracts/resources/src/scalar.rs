//! What a scalar means, in the two YAML dialects of the target: resources go through a YAML 1.1 reader, standalone
//! Configuration files through a YAML 1.2 one.
//!
//! Called by [`crate::decode`]. It must not know about types of resources.

use crate::node::{Scalar, ScalarTag};

/// Which reader of the target reads a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Resources: YAML 1.1 words (`yes`, `on`), field names in any case, numbers become strings where strings are due.
    Resource,
    /// Standalone Configuration files: YAML 1.2 words, exact field names, scalars keep their text where strings are due.
    Configuration,
}

/// What a scalar means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
}

/// What a scalar means when nothing says what is due.
pub(crate) fn meaning(scalar: &Scalar, dialect: Dialect) -> Meaning<'_> {
    let text = scalar.text.as_str();
    match scalar.tag {
        ScalarTag::String => Meaning::Text(text),
        ScalarTag::None if !scalar.plain => Meaning::Text(text),
        ScalarTag::Null => Meaning::Null,
        ScalarTag::Float => match plain_meaning(text, dialect) {
            Meaning::Integer(number) => number.to_string().parse().map_or(Meaning::Text(text), Meaning::Float),
            other => other,
        },
        ScalarTag::None | ScalarTag::Boolean | ScalarTag::Integer => plain_meaning(text, dialect),
    }
}

fn plain_meaning(text: &str, dialect: Dialect) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Boolean(true),
        "false" | "False" | "FALSE" => return Meaning::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if dialect == Dialect::Resource
        && let Some(word) = old_boolean(text)
    {
        return Meaning::Boolean(word);
    }
    number(text).unwrap_or(Meaning::Text(text))
}

/// The words that YAML 1.1 takes as booleans beside `true` and `false`.
pub(crate) fn old_boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Numbers as Go reads them: `_` between digits, `0x`, `0o`, `0b`, a leading zero means octal, decimal fractions.
fn number(text: &str) -> Option<Meaning<'static>> {
    let first = text.bytes().next()?;
    if !first.is_ascii_digit() && !matches!(first, b'+' | b'-' | b'.') {
        return None;
    }
    let digits = if first == b'.' { text.to_owned() } else { text.replace('_', "") };
    let (negative, magnitude) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    if let Some(value) = integer(magnitude) {
        if negative {
            if let Ok(number) = i64::try_from(-i128::from(value)) {
                return Some(Meaning::Integer(number));
            }
        } else {
            return Some(i64::try_from(value).map_or(Meaning::Unsigned(value), Meaning::Integer));
        }
    }
    if !is_decimal(magnitude) {
        return None;
    }
    digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(Meaning::Float)
}

fn integer(magnitude: &str) -> Option<u64> {
    if !magnitude.bytes().next()?.is_ascii_digit() {
        return None;
    }
    let lower = magnitude.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        Some(start) if start.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    // The standard parser would accept a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Whether a text is digits with an optional fraction and an optional exponent.
fn is_decimal(magnitude: &str) -> bool {
    let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (magnitude, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_is_good = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_is_good && exponent_is_good
}

/// The text of a scalar where a string is due. Resources: the number or boolean as Go prints it; Configuration files: as
/// written. None when the scalar is null.
pub(crate) fn string_of(scalar: &Scalar, dialect: Dialect) -> Option<String> {
    let meaning = meaning(scalar, dialect);
    if dialect == Dialect::Configuration {
        return (meaning != Meaning::Null).then(|| scalar.text.clone());
    }
    match meaning {
        Meaning::Null => None,
        Meaning::Boolean(value) => Some(value.to_string()),
        Meaning::Integer(value) => Some(value.to_string()),
        Meaning::Unsigned(value) => Some(value.to_string()),
        Meaning::Float(value) => Some(short_float(value)),
        Meaning::Text(text) => Some(text.to_owned()),
    }
}

/// A number with the fewest digits that make the same 32-bit float, with an exponent below 1e-4 and from 1e6 on. This
/// is what the target's reader of resources does to a number where a string is due.
fn short_float(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the target keeps only 32 bits here")]
    let narrow = value as f32;
    if narrow.is_nan() {
        return "NaN".to_owned();
    }
    if narrow.is_infinite() {
        return if narrow > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    with_exponent(&format!("{narrow:e}"), -4, 6)
}

/// A number as Go's JSON writer prints it.
pub(crate) fn json_float(value: f64) -> String {
    let text = with_exponent(&format!("{value:e}"), -6, 21);
    // One digit is enough for the exponent here: e-09 becomes e-9.
    match text.split_once("e-0") {
        Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
        None => text,
    }
}

/// Rewrites `d.ddde±x` as a plain number while the exponent lies in `least..limit`, else in Go's form (`1e+21`).
fn with_exponent(scientific: &str, least: i32, limit: i32) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific.to_owned() };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific.to_owned() };
    if exponent < least || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    match usize::try_from(exponent) {
        Ok(whole) if whole + 1 >= digits.len() => format!("{sign}{digits}{}", "0".repeat(whole + 1 - digits.len())),
        Ok(whole) => {
            let (before, after) = digits.split_at(whole + 1);
            format!("{sign}{before}.{after}")
        }
        Err(_) => {
            let zeros = usize::try_from(exponent.unsigned_abs()).unwrap_or(1) - 1;
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
    }
}

//! Durations as Go writes them (`1h15m`, `100ms`, `-1.5s`), because flags, settings and resources of the target use them.
//!
//! Called by every part that reads or prints a duration a user wrote. It must not accept other notations (ISO 8601,
//! plain seconds): those belong to their own functions, so that a value means the same wherever it is read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The magnitude of the smallest duration, in nanoseconds; one more than that of the largest.
const LIMIT: u64 = 1 << 63;

/// A signed span of time in nanoseconds, with the range and the text form of Go's `time.Duration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

impl GoDuration {
    /// A duration of this many nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// The length in nanoseconds; negative when the text had a minus sign.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// The same length as a standard duration; none when it is negative.
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }

    /// The same length as a standard duration; zero when it is negative.
    pub fn to_std_or_zero(self) -> Duration {
        self.to_std().unwrap_or_default()
    }
}

impl From<Duration> for GoDuration {
    /// Lengths beyond Go's range (about 292 years) become the longest one it has.
    fn from(length: Duration) -> Self {
        Self(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_go_duration(text)
    }
}

impl fmt::Display for GoDuration {
    /// Writes the shortest form of Go's `Duration.String()`: `0s`, `1.5µs`, `100ms`, `1m0s`, `3h0m0s`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.unsigned_abs();
        if self.0 < 0 {
            out.write_str("-")?;
        }
        match length {
            0 => out.write_str("0s"),
            1..MICROSECOND => write!(out, "{length}ns"),
            MICROSECOND..MILLISECOND => write_fraction(out, length, MICROSECOND).and_then(|()| out.write_str("µs")),
            MILLISECOND..SECOND => write_fraction(out, length, MILLISECOND).and_then(|()| out.write_str("ms")),
            SECOND.. => {
                let (hours, minutes) = (length / HOUR, length / MINUTE % 60);
                if hours > 0 {
                    write!(out, "{hours}h")?;
                }
                if length >= MINUTE {
                    write!(out, "{minutes}m")?;
                }
                write_fraction(out, length % MINUTE, SECOND)?;
                out.write_str("s")
            }
        }
    }
}

/// Writes `length / unit` as a decimal number without trailing zeros.
fn write_fraction(out: &mut fmt::Formatter<'_>, length: u64, unit: u64) -> fmt::Result {
    write!(out, "{}", length / unit)?;
    let rest = length % unit;
    if rest == 0 {
        return Ok(());
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    write!(out, ".{}", digits.trim_end_matches('0'))
}

/// The text of a standard duration as Go prints it, for example `1m0s`.
pub fn format_go_duration(length: Duration) -> String {
    GoDuration::from(length).to_string()
}

/// Why a text is not a Go duration. The wording is Go's, because users of the target know it and search for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// The text is not a sequence of numbers with units, or its length is out of range.
    Invalid(String),
    /// A number has no unit, as in `10`.
    MissingUnit(String),
    /// A unit is not one of `ns`, `us`, `µs`, `ms`, `s`, `m`, `h`.
    UnknownUnit {
        /// The unit as written.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl fmt::Display for DurationError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => write!(out, "time: invalid duration {}", Quoted(text)),
            Self::MissingUnit(text) => write!(out, "time: missing unit in duration {}", Quoted(text)),
            Self::UnknownUnit { unit, text } => {
                write!(out, "time: unknown unit {} in duration {}", Quoted(unit), Quoted(text))
            }
        }
    }
}

impl std::error::Error for DurationError {}

/// A text as Go's `time` package quotes it: bytes that are not printable ASCII become `\x0a` and the like.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("\"")?;
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' => write!(out, "\\{}", char::from(byte))?,
                b' '..=0x7f => write!(out, "{}", char::from(byte))?,
                _ => write!(out, "\\x{byte:02x}")?,
            }
        }
        out.write_str("\"")
    }
}

/// Reads a duration as Go's `time.ParseDuration` does: an optional sign, then decimal numbers with units (`1h15m30.5s`);
/// the lone `0` needs no unit.
///
/// # Errors
/// Names the text, and the unit when that is what is wrong.
pub fn parse_go_duration(text: &str) -> Result<GoDuration, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned == "0" {
        return Ok(GoDuration(0));
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (length, after) = parse_part(rest, text)?;
        total = total.checked_add(length).filter(|sum| *sum <= LIMIT).ok_or_else(invalid)?;
        rest = after;
    }
    if negative {
        return Ok(GoDuration(0i64.wrapping_sub_unsigned(total)));
    }
    i64::try_from(total).map(GoDuration).map_err(|_| invalid())
}

/// Reads one number with its unit from the start of `rest`; answers its length in nanoseconds and what follows.
fn parse_part<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (whole, rest) = split_digits(rest);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_end = rest.find(|letter: char| letter == '.' || letter.is_ascii_digit()).unwrap_or(rest.len());
    let (unit_name, rest) = rest.split_at(unit_end);
    if unit_name.is_empty() {
        return Err(DurationError::MissingUnit(text.to_owned()));
    }
    let unit = unit_length(unit_name)
        .ok_or_else(|| DurationError::UnknownUnit { unit: unit_name.to_owned(), text: text.to_owned() })?;
    let count: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let length = count
        .checked_mul(unit)
        .and_then(|length| length.checked_add(fraction_length(fraction, unit)))
        .filter(|length| *length <= LIMIT)
        .ok_or_else(invalid)?;
    Ok((length, rest))
}

/// Splits the leading ASCII digits off.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()))
}

/// The length of the decimals of a number, in nanoseconds, cut (not rounded) as Go cuts it.
fn fraction_length(digits: &str, unit: u64) -> u64 {
    let mut length = 0u128;
    let mut scale = 1u128;
    // Digits beyond the eighteenth are worth less than a nanosecond even in hours.
    for digit in digits.bytes().take(18) {
        length = length * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    u64::try_from(length * u128::from(unit) / scale).unwrap_or(0)
}

/// Nanoseconds of a unit; both spellings of the micro sign are accepted.
fn unit_length(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text_of(text: &str) -> String {
        parse_go_duration(text).unwrap().to_string()
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        let pairs = [
            ("0", "0s"),
            ("-0", "0s"),
            ("0h", "0s"),
            ("60s", "1m0s"),
            ("180s", "3m0s"),
            ("100ms", "100ms"),
            ("1.5h", "1h30m0s"),
            ("-1.5s", "-1.5s"),
            ("+5s", "5s"),
            (".5s", "500ms"),
            ("1.s", "1s"),
            ("1500us", "1.5ms"),
            ("1\u{b5}s", "1µs"),
            ("1\u{3bc}s", "1µs"),
            ("1ns", "1ns"),
            ("1h2m3.004s", "1h2m3.004s"),
            ("72h", "72h0m0s"),
            ("0.5000000000000000001h", "30m0s"),
            ("9223372036854775807ns", "2562047h47m16.854775807s"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
        ];
        for (text, expected) in pairs {
            assert_eq!(text_of(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_named() {
        let message = |text: &str| parse_go_duration(text).unwrap_err().to_string();
        assert_eq!(message(""), r#"time: invalid duration """#);
        assert_eq!(message("abc"), r#"time: invalid duration "abc""#);
        assert_eq!(message("10"), r#"time: missing unit in duration "10""#);
        assert_eq!(message("1d"), r#"time: unknown unit "d" in duration "1d""#);
        assert_eq!(message("."), r#"time: invalid duration ".""#);
        assert_eq!(message("-"), r#"time: invalid duration "-""#);
        assert_eq!(message("1s "), r#"time: unknown unit "s " in duration "1s ""#);
        assert_eq!(message("9223372036854775808ns"), r#"time: invalid duration "9223372036854775808ns""#);
        assert_eq!(message("99999999999999999999h"), r#"time: invalid duration "99999999999999999999h""#);
        assert_eq!(message("1µ\"\\\n"), r#"time: unknown unit "\xc2\xb5\"\\\x0a" in duration "1\xc2\xb5\"\\\x0a""#);
        assert_eq!(message("3000000h"), r#"time: invalid duration "3000000h""#);
    }

    #[test]
    fn negative_durations_have_no_standard_form() {
        assert_eq!(parse_go_duration("-1s").unwrap().to_std(), None);
        assert_eq!(parse_go_duration("-1s").unwrap().to_std_or_zero(), Duration::ZERO);
        assert_eq!(parse_go_duration("1m").unwrap().to_std(), Some(Duration::from_secs(60)));
        assert_eq!(format_go_duration(Duration::MAX), "2562047h47m16.854775807s");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(nanoseconds in any::<i64>()) {
            let duration = GoDuration::from_nanoseconds(nanoseconds);
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }

        #[test]
        fn small_durations_are_read_back(nanoseconds in -10_000_000_000i64..10_000_000_000) {
            let duration = GoDuration::from_nanoseconds(nanoseconds);
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", close in "[-+]?[0-9.]{0,25}[nuµmsh]{0,3}[0-9.]{0,4}[smh]?") {
            let _ = parse_go_duration(&text);
            let _ = parse_go_duration(&close);
        }
    }
}

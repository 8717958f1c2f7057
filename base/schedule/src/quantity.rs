//! Sizes as Kubernetes writes them (`4Mi`, `2G`, `1e3`, `1048576`), used by `--max-body-size` and `--read-buffer-size`.
//!
//! Called by the option parsers of the processes and by component settings. It must not round down: a limit of half a
//! byte is one byte.

use std::fmt;
use std::str::FromStr;

/// A quantity is kept in thousand-millionths, the finest step of the notation.
const NANO: i128 = 1_000_000_000;
const LARGEST: i128 = i64::MAX as i128 * NANO;

/// A number with an optional scale suffix, kept exactly down to one thousand-millionth and capped at `i64::MAX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nano: i128,
}

impl Quantity {
    /// A quantity of this many whole units (bytes, when it is a size).
    pub const fn from_value(value: i64) -> Self {
        Self { nano: value as i128 * NANO }
    }

    /// The whole number of units, rounded away from zero.
    pub fn value(self) -> i64 {
        let whole = self.nano / NANO + (self.nano % NANO).signum();
        i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_quantity(text)
    }
}

impl fmt::Display for Quantity {
    /// Writes whole quantities in the largest binary unit that divides them (`4Mi`), others as a decimal number.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano % NANO != 0 {
            let sign = if self.nano < 0 { "-" } else { "" };
            let (whole, rest) = (self.nano.abs() / NANO, self.nano.abs() % NANO);
            let decimals = format!("{rest:09}");
            return write!(out, "{sign}{whole}.{}", decimals.trim_end_matches('0'));
        }
        let value = self.nano / NANO;
        for (name, power) in [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)] {
            let unit = 1i128 << power;
            if value != 0 && value % unit == 0 {
                return write!(out, "{}{name}", value / unit);
            }
        }
        write!(out, "{value}")
    }
}

/// Why a text is not a quantity; every form names the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// The text does not start with a number.
    NoNumber(String),
    /// What follows the number is not a known suffix or exponent.
    UnknownSuffix {
        /// The suffix as written.
        suffix: String,
        /// The whole text.
        text: String,
    },
    /// It is a quantity, but not a whole number of units that fits; only [`parse_whole_quantity`] says so.
    NotWhole(String),
}

impl fmt::Display for QuantityError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber(text) => write!(
                out,
                "invalid quantity {text:?}: expected a number with an optional suffix, for example 4Mi, 2Gi, 4M, 1e3 or 1048576"
            ),
            Self::UnknownSuffix { suffix, text } => write!(
                out,
                "invalid quantity {text:?}: unknown suffix {suffix:?}; \
                 known are Ki Mi Gi Ti Pi Ei, n u m k M G T P E, and exponents such as e3"
            ),
            Self::NotWhole(text) => {
                write!(out, "quantity {text:?} is not a whole number between {} and {}", i64::MIN + 1, i64::MAX)
            }
        }
    }
}

impl std::error::Error for QuantityError {}

/// What a suffix multiplies by.
enum Scale {
    Binary(u32),
    Decimal(i32),
}

/// Reads a quantity: `[+-]digits[.digits]`, then one of `Ki Mi Gi Ti Pi Ei`, `n u m k M G T P E`, or an exponent `e3`.
/// Numbers beyond `i64::MAX` are capped, digits finer than one thousand-millionth round away from zero.
///
/// # Errors
/// Names the text, and the suffix when that is what is wrong.
pub fn parse_quantity(text: &str) -> Result<Quantity, QuantityError> {
    let read = read(text)?;
    let magnitude = read.magnitude.min(LARGEST);
    Ok(Quantity { nano: if read.negative { -magnitude } else { magnitude } })
}

/// Reads a quantity that has to be a whole number of units: nothing is rounded or capped.
///
/// # Errors
/// Those of [`parse_quantity`], and [`QuantityError::NotWhole`].
pub fn parse_whole_quantity(text: &str) -> Result<i64, QuantityError> {
    let read = read(text)?;
    let whole = read.exact && read.magnitude <= LARGEST && read.magnitude % NANO == 0;
    let value = i64::try_from(read.magnitude / NANO).ok().filter(|_| whole);
    let value = value.ok_or_else(|| QuantityError::NotWhole(text.to_owned()))?;
    Ok(if read.negative { -value } else { value })
}

/// What a text says, before any limit.
struct Read {
    negative: bool,
    /// In thousand-millionths.
    magnitude: i128,
    /// Whether nothing was rounded.
    exact: bool,
}

fn read(text: &str) -> Result<Read, QuantityError> {
    let no_number = || QuantityError::NoNumber(text.to_owned());
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(no_number());
    }
    let scale = parse_scale(suffix)
        .ok_or_else(|| QuantityError::UnknownSuffix { suffix: suffix.to_owned(), text: text.to_owned() })?;
    let (magnitude, exact) = scaled(whole, fraction, &scale);
    Ok(Read { negative, magnitude, exact })
}

fn parse_scale(suffix: &str) -> Option<Scale> {
    Some(match suffix {
        "" => Scale::Decimal(0),
        "Ki" => Scale::Binary(10),
        "Mi" => Scale::Binary(20),
        "Gi" => Scale::Binary(30),
        "Ti" => Scale::Binary(40),
        "Pi" => Scale::Binary(50),
        "Ei" => Scale::Binary(60),
        "n" => Scale::Decimal(-9),
        "u" => Scale::Decimal(-6),
        "m" => Scale::Decimal(-3),
        "k" => Scale::Decimal(3),
        "M" => Scale::Decimal(6),
        "G" => Scale::Decimal(9),
        "T" => Scale::Decimal(12),
        "P" => Scale::Decimal(15),
        "E" => Scale::Decimal(18),
        _ => Scale::Decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// `whole.fraction` times the scale, in thousand-millionths, and whether that is exact; saturates instead of
/// overflowing.
fn scaled(whole: &str, fraction: &str, scale: &Scale) -> (i128, bool) {
    let (binary, decimal) = match scale {
        Scale::Binary(power) => (*power, 0),
        Scale::Decimal(power) => (0, *power),
    };
    let fraction = fraction.trim_end_matches('0');
    let mut mantissa = 0i128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        mantissa = mantissa.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
    }
    if mantissa == 0 {
        return (0, true);
    }
    let length = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let exponent = i64::from(decimal).saturating_add(9).saturating_sub(length);
    let power = u32::try_from(exponent.unsigned_abs()).unwrap_or(u32::MAX);
    let wide = mantissa.saturating_mul(1i128 << binary);
    match 10i128.checked_pow(power) {
        Some(factor) if exponent >= 0 => (wide.saturating_mul(factor), true),
        Some(divisor) => {
            let exact = wide % divisor == 0 && wide != i128::MAX;
            (wide / divisor + i128::from(wide % divisor != 0), exact)
        }
        None if exponent >= 0 => (i128::MAX, true),
        None => (1, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> i64 {
        parse_quantity(text).unwrap().value()
    }

    #[test]
    fn sizes_mean_what_kubernetes_means() {
        let pairs: [(&str, i64); 20] = [
            ("0", 0),
            ("1048576", 1 << 20),
            ("4Mi", 4 << 20),
            ("2Gi", 2 << 30),
            ("4M", 4_000_000),
            ("4Ki", 4096),
            ("4k", 4000),
            ("1e3", 1000),
            ("1E3", 1000),
            ("1E", 1_000_000_000_000_000_000),
            ("1.5Gi", 3 << 29),
            (".5Ki", 512),
            ("5.", 5),
            ("500m", 1),
            ("1n", 1),
            ("-4Mi", -(4 << 20)),
            ("+4Mi", 4 << 20),
            ("1e-3", 1),
            ("16Ei", i64::MAX),
            ("1e400", i64::MAX),
        ];
        for (text, expected) in pairs {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_named() {
        for text in ["", "abc", "Mi", "-", "1.2.3", "."] {
            let message = parse_quantity(text).unwrap_err().to_string();
            assert!(message.starts_with(&format!("invalid quantity {text:?}")), "{message}");
        }
        for (text, suffix) in
            [("4MB", "MB"), ("1K", "K"), ("1e", "e"), ("4 Mi", " Mi"), ("4mi", "mi"), ("1e3.5", "e3.5")]
        {
            let expected = QuantityError::UnknownSuffix { suffix: suffix.to_owned(), text: text.to_owned() };
            assert_eq!(parse_quantity(text), Err(expected));
        }
    }

    #[test]
    fn whole_quantities_are_neither_rounded_nor_capped() {
        let pairs = [("1.5Ki", 1536), ("1000m", 1), ("-4Mi", -(4 << 20)), ("0", 0), ("9223372036854775807", i64::MAX)];
        for (text, expected) in pairs {
            assert_eq!(parse_whole_quantity(text), Ok(expected), "{text}");
        }
        let long = format!("1.{}1", "0".repeat(40));
        for text in ["100m", "1.5", "9Ei", "1e99", "1e-99", "0.9999999999999", "9223372036854775808", &long] {
            assert_eq!(parse_whole_quantity(text), Err(QuantityError::NotWhole(text.to_owned())), "{text}");
        }
        assert!(matches!(parse_whole_quantity("four"), Err(QuantityError::NoNumber(_))));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(value in any::<i64>()) {
            let quantity = Quantity::from_value(value);
            // The smallest number has no positive counterpart and is capped.
            if value != i64::MIN {
                prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
            }
        }

        #[test]
        fn fractions_are_read_back(nano in -1_000_000_000_000i128..1_000_000_000_000) {
            let quantity = Quantity { nano };
            prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", close in "[-+]?[0-9.]{0,60}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,12}") {
            let _ = parse_quantity(&text);
            let _ = parse_quantity(&close);
        }
    }
}

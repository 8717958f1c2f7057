//! The types a setting can have and how each is read from text, by the rules of the target's metadata decoder.

use std::collections::BTreeMap;
use std::time::Duration;

/// A type that a setting can have. Its `Default` stands for a value that is neither given nor has a default of its own.
pub trait SettingValue: Sized + Default {
    /// Name of the type on the reference page.
    const KIND: &'static str;
    /// What is expected, to finish a sentence with.
    const EXPECTED: &'static str;
    /// Whether an empty text is a value of its own; otherwise it counts as not given.
    const EMPTY_IS_A_VALUE: bool = false;

    /// What a text is read as that is not usual.
    const UNUSUAL: &'static str = "";

    /// Reads a value.
    fn from_text(text: &str) -> Option<Self>;

    /// Whether a text that can be read is one that people write for such a value; others are probably mistakes.
    fn is_usual(_text: &str) -> bool {
        true
    }

    /// The value as a number, if it has bounds to be held against.
    fn number(&self) -> Option<i128> {
        None
    }
}

impl SettingValue for String {
    const KIND: &'static str = "text";
    const EXPECTED: &'static str = "a text";
    const EMPTY_IS_A_VALUE: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl SettingValue for bool {
    const KIND: &'static str = "boolean";
    const EXPECTED: &'static str = "true or false";
    const UNUSUAL: &'static str = "false";

    /// `y`, `yes`, `true`, `t`, `on` and `1` in any case are true, everything else is false.
    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        Some(["y", "yes", "true", "t", "on", "1"].iter().any(|truthy| text.eq_ignore_ascii_case(truthy)))
    }

    fn is_usual(text: &str) -> bool {
        let falsy = ["", "n", "no", "false", "f", "off", "0"];
        Self::from_text(text) == Some(true) || falsy.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
    }
}

/// A whole number in Go's notation: sign, `0x`, `0o`, `0b` or a leading zero for the base, `_` between digits.
fn whole_number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)?),
        [b'0', b'o', ..] => (8, lower.get(2..)?),
        [b'0', b'b', ..] => (2, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    let misplaced = digits.ends_with('_') || digits.contains("__") || (base == 10 && digits.starts_with('_'));
    if misplaced || digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if negative { -number } else { number })
}

macro_rules! whole_number_settings {
    ($($type:ty),*) => {$(
        impl SettingValue for $type {
            const KIND: &'static str = "whole number";
            const EXPECTED: &'static str = "a whole number";

            fn from_text(text: &str) -> Option<Self> {
                whole_number(text)?.try_into().ok()
            }

            fn number(&self) -> Option<i128> {
                i128::try_from(*self).ok()
            }
        }
    )*};
}

whole_number_settings!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl SettingValue for f64 {
    const KIND: &'static str = "number";
    const EXPECTED: &'static str = "a number";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl SettingValue for Duration {
    const KIND: &'static str = "duration";
    const EXPECTED: &'static str = "a duration such as 1m30s, or a number of seconds";

    fn from_text(text: &str) -> Option<Self> {
        let parsed = schedule::parse_go_duration(text).ok().and_then(schedule::GoDuration::to_std);
        parsed.or_else(|| text.parse().ok().map(Duration::from_secs))
    }
}

impl SettingValue for Vec<String> {
    const KIND: &'static str = "list";
    const EXPECTED: &'static str = "a list separated by commas";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.split(',').map(|item| item.trim().to_owned()).collect())
    }
}

impl SettingValue for BTreeMap<String, String> {
    const KIND: &'static str = "map";
    const EXPECTED: &'static str = "a JSON object whose values are strings";

    fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    const KIND: &'static str = T::KIND;
    const EXPECTED: &'static str = T::EXPECTED;
    const EMPTY_IS_A_VALUE: bool = T::EMPTY_IS_A_VALUE;
    const UNUSUAL: &'static str = T::UNUSUAL;

    fn is_usual(text: &str) -> bool {
        T::is_usual(text)
    }

    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }

    fn number(&self) -> Option<i128> {
        self.as_ref().and_then(SettingValue::number)
    }
}

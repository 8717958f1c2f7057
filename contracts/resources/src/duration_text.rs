//! A duration as a resource holds it: the text, known to be one, not yet a length.
//!
//! Used by fields that the target reads as durations while loading, so that a bad one is refused there. Its length is
//! computed by its users; contracts do not depend on the crate that does so.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Text in Go's duration notation, for example `1m30s`; checked when read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DurationText(String);

impl DurationText {
    /// The text if it has the form of a duration: a sign, then numbers with `ns`, `us`, `µs`, `ms`, `s`, `m` or `h`; or `0`.
    pub fn new(text: &str) -> Option<Self> {
        is_duration(text).then(|| Self(text.to_owned()))
    }

    /// The text, for a duration parser.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| {
            serde::de::Error::custom(format_args!("expected a duration such as 30s or 1h15m, found {text:?}"))
        })
    }
}

fn is_duration(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return true;
    }
    let mut rest = unsigned;
    while !rest.is_empty() {
        let number = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit_end = after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let known = ["ns", "us", "\u{b5}s", "\u{3bc}s", "ms", "s", "m", "h"].contains(&unit);
        let has_digit = digits.bytes().any(|byte| byte.is_ascii_digit());
        if !known || !has_digit || digits.matches('.').count() > 1 {
            return false;
        }
        rest = next;
    }
    !unsigned.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_a_duration_is_taken() {
        for good in ["0", "-0", "1s", "1h15m30.5s", ".5h", "1.s", "+3ms", "10\u{b5}s"] {
            assert!(DurationText::new(good).is_some(), "{good}");
        }
        for bad in ["", "-", "1", "1d", "s", ".s", "1.2.3s", "1s ", "--1s", "PT1M"] {
            assert!(DurationText::new(bad).is_none(), "{bad}");
        }
    }
}

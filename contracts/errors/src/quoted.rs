//! Arguments of messages: displayed as they are, or quoted as Go's `%q` does where the template says `{name:?}`.

use std::fmt::{self, Debug, Display, Write};

/// An argument of a message.
pub(crate) struct Argument<'a>(pub(crate) &'a dyn Display);

impl Display for Argument<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self.0, formatter)
    }
}

impl Debug for Argument<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for letter in self.0.to_string().chars() {
            match letter {
                '"' => formatter.write_str("\\\"")?,
                '\\' => formatter.write_str("\\\\")?,
                '\n' => formatter.write_str("\\n")?,
                '\r' => formatter.write_str("\\r")?,
                '\t' => formatter.write_str("\\t")?,
                '\u{7}' => formatter.write_str("\\a")?,
                '\u{8}' => formatter.write_str("\\b")?,
                '\u{b}' => formatter.write_str("\\v")?,
                '\u{c}' => formatter.write_str("\\f")?,
                letter if letter.is_ascii_control() => write!(formatter, "\\x{:02x}", u32::from(letter))?,
                letter if letter.is_control() => write!(formatter, "\\u{:04x}", u32::from(letter))?,
                letter => formatter.write_char(letter)?,
            }
        }
        formatter.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        assert_eq!(format!("{:?}", Argument(&"a \"b\" \\ \n \u{1} ä '")), r#""a \"b\" \\ \n \x01 ä '""#);
        assert_eq!(format!("{}", Argument(&"a \"b\"")), "a \"b\"");
    }
}

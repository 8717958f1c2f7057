//! Text in double quotes as the target's language writes it (`%q`): logs and error messages of the target contain it.
//! Called by the log format and by whoever reproduces such a message.

use std::fmt::Write;

/// Quotes a text: `"` and `\` are escaped, control characters become `\n`, `\x01` and the like, characters that do not
/// print become `\u200b` and the like.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quote_into(&mut quoted, text);
    quoted
}

/// As [`quote`], appended to `out`.
pub(crate) fn quote_into(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(character),
            '\0'..='\u{7f}' => escape(out, "\\x", 2, character),
            _ if character.escape_debug().len() == 1 => out.push(character),
            '\u{80}'..='\u{ffff}' => escape(out, "\\u", 4, character),
            _ => escape(out, "\\U", 8, character),
        }
    }
    out.push('"');
}

fn escape(out: &mut String, prefix: &str, width: usize, character: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{prefix}{:0width$x}", u32::from(character));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_the_target_quotes_them() {
        assert_eq!(quote("a \"b\" \\ c"), r#""a \"b\" \\ c""#);
        assert_eq!(quote("\n\t\u{0}\u{1f}\u{7f}"), r#""\n\t\x00\x1f\x7f""#);
        assert_eq!(quote("é日\u{200b}\u{f0000}"), r#""é日\u200b\U000f0000""#);
    }
}

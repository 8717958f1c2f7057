//! JSON text exactly as the target's encoder writes it: it also escapes what HTML would read as markup. Used by
//! `http`, and by whoever rewrites what apps publish.

use std::fmt::Write;

/// Appends `text` as a JSON string.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        self::letter(out, letter);
    }
    out.push('"');
}

/// Appends one letter of a JSON string.
pub fn letter(out: &mut String, letter: char) {
    match letter {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
            // Writing into a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(letter));
        }
        letter => out.push(letter),
    }
}

/// Appends an object whose values are strings, in the order given.
pub(crate) fn object<'a>(out: &mut String, members: impl IntoIterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, name);
        out.push(':');
        string(out, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_html_would_read() {
        let mut out = String::new();
        string(&mut out, "a<b>&\u{2028}\u{1}\t\"\\ä\u{7f}");
        assert_eq!(out, "\"a\\u003cb\\u003e\\u0026\\u2028\\u0001\\t\\\"\\\\ä\u{7f}\"");
    }
}

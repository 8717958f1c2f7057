//! JSON text exactly as the target's encoder writes it: it also escapes what HTML would read as markup. Used by
//! `http`, and by whoever rewrites what apps publish.

use std::fmt::Write;

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Appends `text` as a JSON string.
#[inline]
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.push_str(plain);
        let mut letters = special.chars();
        let Some(letter) = letters.next() else { break };
        self::letter(out, letter);
        rest = letters.as_str();
    }
    out.push('"');
}

/// How many bytes at the beginning of `text` stand in a JSON string as they are; it ends between letters. What follows may need
/// an escape. Inlined, as its caller is, so that it is built as fast as the crate that needs it is.
#[inline]
pub fn plain_length(text: &str) -> usize {
    let (blocks, _) = text.as_bytes().as_chunks::<BLOCK>();
    // Without a way out in the middle, so that a block is a few instructions.
    let is_plain = |block: &&[u8; BLOCK]| !block.iter().fold(false, |special, byte| special | is_special(*byte));
    let length = blocks.iter().take_while(is_plain).count() * BLOCK;
    let rest = text.as_bytes().get(length..).unwrap_or_default();
    length + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

/// Whether a letter that begins with this byte may need an escape. `0xe2` begins the two line separators, and others.
#[inline]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == b'<') | (byte == b'>') | (byte == b'&') | (byte == 0xe2)
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

    #[test]
    fn a_long_text_is_written_as_its_letters_are() {
        for special in ["", "\"", "\u{1f}", "€", "\u{2029}", "ä", "&", "\\"] {
            for before in 0..70 {
                let text = ["x".repeat(before).as_str(), special, "y".repeat(40).as_str(), special].concat();
                let mut letters = String::from('"');
                text.chars().for_each(|letter| self::letter(&mut letters, letter));
                letters.push('"');
                let mut out = String::new();
                string(&mut out, &text);
                assert_eq!(out, letters);
            }
        }
    }
}

//! The one canonical form of a method: decoded once, cleaned once, checked, and then dispatched as that very string.
//! Called where a call enters (HTTP, gRPC, gRPC proxy, actors, from other sidecars), before any policy reads the
//! method. It knows no routes.
//!
//! Rules of the target (its `NormalizeMethod`): `#`, `?`, NUL and control characters are refused; the rest is cleaned
//! like a path of Go (`//`, `/./` and `x/..` go away, a trailing slash goes away); parents above the start are
//! dropped; what is nothing but `.` or `..` becomes empty. A leading slash stays. Percent signs stay as they are:
//! decoding is a step before, done once and only where the method came in a URL.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Why a method is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidMethod {
    /// It contains `#`, `?` or NUL.
    ForbiddenCharacter(String),
    /// It contains a control character at this byte.
    ControlCharacter(usize, String),
    /// A percent sign is not followed by two hexadecimal digits.
    BadEscape(String),
    /// Decoded, it is not UTF-8.
    NotText(String),
}

impl fmt::Display for InvalidMethod {
    /// The first two texts are the target's.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForbiddenCharacter(method) => {
                write!(formatter, "method contains forbidden character: {}", Quoted(method))
            }
            Self::ControlCharacter(position, method) => {
                write!(formatter, "method contains control character at position {position}: {}", Quoted(method))
            }
            Self::BadEscape(method) => write!(formatter, "method contains an invalid escape: {}", Quoted(method)),
            Self::NotText(method) => write!(formatter, "method is not UTF-8 when decoded: {}", Quoted(method)),
        }
    }
}

impl std::error::Error for InvalidMethod {}

/// Brings a method that is not encoded (gRPC, actors) to its canonical form.
///
/// # Errors
/// [`InvalidMethod`] for forbidden and control characters.
pub fn normalize_method(method: &str) -> Result<Cow<'_, str>, InvalidMethod> {
    if method.contains(['#', '?', '\0']) {
        return Err(InvalidMethod::ForbiddenCharacter(method.to_owned()));
    }
    if let Some(position) = method.bytes().position(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(InvalidMethod::ControlCharacter(position, method.to_owned()));
    }
    if is_clean(method) {
        return Ok(Cow::Borrowed(method));
    }
    Ok(Cow::Owned(clean(method)))
}

/// Decodes a method of a URL once and brings it to its canonical form.
///
/// # Errors
/// [`InvalidMethod`] when it cannot be decoded, or as [`normalize_method`].
pub fn canonical_method(encoded: &str) -> Result<Cow<'_, str>, InvalidMethod> {
    match decode(encoded)? {
        Cow::Borrowed(plain) => normalize_method(plain),
        Cow::Owned(decoded) => Ok(Cow::Owned(normalize_method(&decoded)?.into_owned())),
    }
}

/// Decodes percent escapes once; `+` is not a blank.
///
/// # Errors
/// [`InvalidMethod::BadEscape`], [`InvalidMethod::NotText`].
pub fn decode(encoded: &str) -> Result<Cow<'_, str>, InvalidMethod> {
    if !encoded.contains('%') {
        return Ok(Cow::Borrowed(encoded));
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let Some(([high, low], after)) = after.split_first_chunk::<2>() else {
            return Err(InvalidMethod::BadEscape(encoded.to_owned()));
        };
        let digits = char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16));
        let Some(byte) = digits.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()) else {
            return Err(InvalidMethod::BadEscape(encoded.to_owned()));
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| InvalidMethod::NotText(encoded.to_owned()))
}

/// Encodes a canonical method for the request line to an HTTP app, so that decoding gives it back. Slashes stay.
#[must_use]
pub fn encode(method: &str) -> Cow<'_, str> {
    // What the target's language leaves unescaped in a path.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@[]/".contains(&byte);
    if method.bytes().all(plain) {
        return Cow::Borrowed(method);
    }
    let mut encoded = String::with_capacity(method.len() + 16);
    for byte in method.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

/// Checks a name that becomes one segment of a path (a reminder, a timer). The rules and texts are the target's.
///
/// # Errors
/// A sentence for the caller.
pub fn validate_name(name: &str) -> Result<(), String> {
    if name.contains(['#', '?', '\0', '/', '\\']) {
        return Err(format!("name contains forbidden character: {}", Quoted(name)));
    }
    if let Some(position) = name.bytes().position(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(format!("name contains control character at position {position}: {}", Quoted(name)));
    }
    if name == "." || name == ".." {
        return Err(format!("name is a path traversal sequence: {}", Quoted(name)));
    }
    Ok(())
}

/// Whether cleaning would change nothing.
fn is_clean(method: &str) -> bool {
    let relative = method.strip_prefix('/').unwrap_or(method);
    relative.is_empty() || relative.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

fn clean(method: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in method.split('/') {
        match segment {
            "" | "." => {}
            // Above the start there is nothing: what the target cleans and then strips is dropped here at once.
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let root = if method.starts_with('/') { "/" } else { "" };
    format!("{root}{}", segments.join("/"))
}

/// A text in quotes as the target's language writes it.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(formatter, "\\{character}")?,
                '\n' => formatter.write_str("\\n")?,
                '\r' => formatter.write_str("\\r")?,
                '\t' => formatter.write_str("\\t")?,
                '\0'..='\u{1f}' | '\u{7f}' => write!(formatter, "\\x{:02x}", u32::from(character))?,
                _ => formatter.write_char(character)?,
            }
        }
        formatter.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn methods_are_cleaned_as_the_target_cleans_them() {
        for (method, canonical) in [
            ("mymethod", "mymethod"),
            ("api/v1/users", "api/v1/users"),
            ("admin/../public", "public"),
            ("../../etc/passwd", "etc/passwd"),
            ("test%stream", "test%stream"),
            ("test%25stream", "test%25stream"),
            ("test\"stream", "test\"stream"),
            ("test*stream", "test*stream"),
            (r"test\stream", r"test\stream"),
            ("", ""),
            (".", ""),
            ("..", ""),
            ("../..", ""),
            ("a/..", ""),
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("/a/../../b", "/b"),
            ("/a", "/a"),
            ("a/", "a"),
            ("a//b/./c/", "a/b/c"),
            ("../a/../../b", "b"),
            ("...", "..."),
            ("a/..b", "a/..b"),
            ("%2e%2e/x", "%2e%2e/x"),
            ("Ünïcode/ß", "Ünïcode/ß"),
        ] {
            assert_eq!(normalize_method(method).unwrap(), canonical, "{method}");
        }
    }

    #[test]
    fn forbidden_and_control_characters_are_refused_with_the_text_of_the_target() {
        let text = |method| normalize_method(method).unwrap_err().to_string();
        assert_eq!(text("test#stream"), r#"method contains forbidden character: "test#stream""#);
        assert_eq!(text("a?b"), r#"method contains forbidden character: "a?b""#);
        assert_eq!(text("a\0"), r#"method contains forbidden character: "a\x00""#);
        assert_eq!(text("test\tx"), r#"method contains control character at position 4: "test\tx""#);
        for byte in (1..0x20_u8).chain([0x7f]) {
            assert!(normalize_method(&format!("a{}b", char::from(byte))).is_err(), "{byte}");
        }
    }

    #[test]
    fn urls_are_decoded_once() {
        for (encoded, canonical) in [
            ("admin%2F..%2Fpublic", "public"),
            ("%2e%2e/%2e%2e/etc", "etc"),
            ("a%252Fb", "a%2Fb"),
            ("a%20b+c", "a b+c"),
            ("%C3%BC", "ü"),
        ] {
            assert_eq!(canonical_method(encoded).unwrap(), canonical, "{encoded}");
        }
        for encoded in ["a%00b", "a%23b", "a%3Fb", "a%0d%0ab", "a%7fb", "a%", "a%2", "a%zz", "%c0%ae%c0%ae/x", "%ff"] {
            assert!(canonical_method(encoded).is_err(), "{encoded}");
        }
    }

    #[test]
    fn names_are_one_segment() {
        for name in ["../../method/evil", r"test\evil", "a#b", "a?b", "a\0b", "a\rb", "..", "."] {
            assert!(validate_name(name).is_err(), "{name}");
        }
        for name in ["myreminder", "my-reminder-1", "my.reminder", "test%25stream"] {
            assert!(validate_name(name).is_ok(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn canonical_is_stable_and_stays_below_the_root(method in "[a-c./%2eF ü#]{0,24}") {
            if let Ok(canonical) = normalize_method(&method) {
                let again = normalize_method(&canonical).unwrap().into_owned();
                prop_assert_eq!(&again, &canonical);
                prop_assert!(canonical.split('/').all(|segment| segment != ".." && segment != "."));
                prop_assert!(!canonical.contains("//"));
                prop_assert_eq!(canonical.starts_with('/'), method.starts_with('/'));
            }
        }

        #[test]
        fn the_quick_way_equals_the_long_way(method in "[a-b./]{0,16}") {
            prop_assert_eq!(normalize_method(&method).unwrap().into_owned(), clean(&method));
        }

        #[test]
        fn encoding_is_undone_by_decoding_once(method in ".{0,24}") {
            let encoded = encode(&method).into_owned();
            prop_assert_eq!(decode(&encoded).unwrap(), method);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

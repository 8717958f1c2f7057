//! The one form of a method: decoded once, cleaned once, checked, and sent as that very string.
//!
//! Cleaning follows the target (`NormalizeMethod` over Go's `path.Clean`). What is not safe in any form is refused: NUL,
//! control characters, `#` and `?`.

use std::borrow::Cow;
use std::fmt;

/// A method or path that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidPath {
    /// It has `#`, `?` or NUL.
    Forbidden(String),
    /// It has a control character at this byte.
    Control(usize, String),
    /// It has a `%` that two hexadecimal digits do not follow.
    Escape(String),
    /// Its bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(method) => write!(formatter, "method contains forbidden character: {method:?}"),
            Self::Control(at, method) => {
                write!(formatter, "method contains control character at position {at}: {method:?}")
            }
            Self::Escape(method) => write!(formatter, "invalid URL escape in {method:?}"),
            Self::NotUtf8 => formatter.write_str("the path is not UTF-8 after decoding"),
        }
    }
}

impl std::error::Error for InvalidPath {}

/// The canonical form of a decoded method. A leading slash is kept (gRPC methods have one), `..` never is.
///
/// # Errors
/// [`InvalidPath`] when it holds a character that no method may have.
pub fn normalize(method: &str) -> Result<Cow<'_, str>, InvalidPath> {
    let first = method.bytes().enumerate().find(|(_, byte)| matches!(byte, b'#' | b'?' | 0..0x20 | 0x7f));
    match first {
        None => {}
        Some((_, b'#' | b'?' | 0)) => return Err(InvalidPath::Forbidden(method.to_owned())),
        Some((at, _)) => return Err(InvalidPath::Control(at, method.to_owned())),
    }
    let cleaned = clean(method);
    let mut rest: &str = &cleaned;
    while let Some(shorter) = rest.strip_prefix("../") {
        rest = shorter;
    }
    if rest == ".." || rest == "." {
        rest = "";
    }
    if rest.len() == cleaned.len() { Ok(cleaned) } else { Ok(Cow::Owned(rest.to_owned())) }
}

/// Go's `path.Clean`: no empty, `.` or `..` segments, except leading `..` of a relative path; the empty path is `.`.
#[must_use]
pub fn clean(path: &str) -> Cow<'_, str> {
    if is_clean(path) {
        return Cow::Borrowed(path);
    }
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => match kept.last() {
                Some(&last) if last != ".." => {
                    kept.pop();
                }
                _ if rooted => {}
                _ => kept.push(".."),
            },
            segment => kept.push(segment),
        }
    }
    let joined = kept.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => Cow::Owned(format!("/{joined}")),
        (false, true) => Cow::Borrowed("."),
        (false, false) => Cow::Owned(joined),
    }
}

/// Whether cleaning would change nothing; the common case, told without allocating.
fn is_clean(path: &str) -> bool {
    // Where no segment begins with a dot or is empty, none has to be looked at.
    let bytes = path.as_bytes();
    let suspicious = bytes.windows(2).fold(false, |found, pair| found | matches!(pair, [b'/', b'/' | b'.']));
    if !suspicious && !matches!(bytes, [] | [b'.', ..] | [.., b'/']) {
        return true;
    }
    let segments = path.strip_prefix('/').unwrap_or(path);
    if segments.is_empty() {
        return path == "/";
    }
    segments.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Decodes `%XX` once.
///
/// # Errors
/// [`InvalidPath`] when an escape is cut or the result is not UTF-8.
pub fn decode(path: &str) -> Result<Cow<'_, str>, InvalidPath> {
    // Looking at every byte costs less than to stop at the first.
    if !path.bytes().fold(false, |found, byte| found | (byte == b'%')) {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = bytes.next().and_then(hexadecimal).zip(bytes.next().and_then(hexadecimal));
        let (high, low) = digits.ok_or_else(|| InvalidPath::Escape(path.to_owned()))?;
        decoded.push(high << 4 | low);
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| InvalidPath::NotUtf8)
}

/// Decodes one path parameter as the target does (Go's `QueryUnescape`: `%XX`, and `+` for a space).
///
/// # Errors
/// As [`decode`].
pub fn decode_parameter(parameter: &str) -> Result<Cow<'_, str>, InvalidPath> {
    if parameter.bytes().any(|byte| byte == b'+') {
        let spaced = parameter.replace('+', " ");
        return decode(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    decode(parameter)
}

/// Appends a canonical method to a URL path so that an HTTP app decodes exactly that method. A `%` that does not begin an
/// escape is refused, as in the target; one that does is escaped, so that it is not decoded a second time.
///
/// # Errors
/// [`InvalidPath::Escape`].
pub fn encode(method: &str, url: &mut String) -> Result<(), InvalidPath> {
    if method.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~')) {
        url.push_str(method);
        return Ok(());
    }
    for (at, character) in method.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' => url.push(character),
            '/' | '-' | '.' | '_' | '~' | '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '=' | ':'
            | '@' => {
                url.push(character);
            }
            '%' if !begins_escape(method, at) => return Err(InvalidPath::Escape(method.to_owned())),
            other => {
                let mut buffer = [0; 4];
                for byte in other.encode_utf8(&mut buffer).bytes() {
                    url.push('%');
                    url.push(digit(byte >> 4));
                    url.push(digit(byte & 15));
                }
            }
        }
    }
    Ok(())
}

fn begins_escape(text: &str, at: usize) -> bool {
    let mut digits = text.bytes().skip(at + 1).map(hexadecimal);
    matches!((digits.next(), digits.next()), (Some(Some(_)), Some(Some(_))))
}

fn hexadecimal(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the target makes of methods, recorded from it.
    const CANONICAL: [(&str, &str); 16] = [
        ("", ""),
        (".", ""),
        ("..", ""),
        ("a", "a"),
        ("/a", "/a"),
        ("a/", "a"),
        ("a//b", "a/b"),
        ("admin/../public", "public"),
        ("admin/../../public", "public"),
        ("../a", "a"),
        ("../../a", "a"),
        ("/../a", "/a"),
        ("a/./b", "a/b"),
        ("a%2F..%2Fb", "a%2F..%2Fb"),
        ("a b", "a b"),
        ("Ünï", "Ünï"),
    ];

    #[test]
    fn methods_take_the_targets_form() {
        for (given, expected) in CANONICAL {
            assert_eq!(normalize(given).unwrap(), expected, "{given:?}");
        }
    }

    #[test]
    fn unsafe_characters_are_refused() {
        for given in ["a#b", "a?b", "a\0b", "a\rb", "a\nb", "a\tb", "a\u{7f}b", "\u{1}"] {
            assert!(normalize(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode("a%2520b").unwrap(), "a%20b");
        assert_eq!(decode("neworde%2572").unwrap(), "neworde%72");
        assert_eq!(decode("%41%c3%bc").unwrap(), "Aü");
        assert_eq!(decode("a%2"), Err(InvalidPath::Escape("a%2".into())));
        assert_eq!(decode("%c0%ae"), Err(InvalidPath::NotUtf8));
        assert_eq!(decode_parameter("a+b%2Bc").unwrap(), "a b+c");
    }

    fn encoded(method: &str) -> Result<String, InvalidPath> {
        let mut url = String::new();
        encode(method, &mut url).map(|()| url)
    }

    #[test]
    fn an_app_decodes_exactly_the_method_that_was_checked() {
        assert_eq!(encoded("a\"b").unwrap(), "a%22b");
        assert_eq!(encoded("a\\b*c").unwrap(), "a%5Cb*c");
        assert_eq!(encoded("a%41").unwrap(), "a%2541");
        assert!(encoded("test%stream").is_err());
    }

    proptest! {
        #[test]
        fn a_canonical_method_stays_and_never_leaves_its_root(given in "[a-z./%]{0,40}") {
            let once = normalize(&given).unwrap().into_owned();
            prop_assert_eq!(normalize(&once).unwrap(), once.as_str());
            prop_assert!(once.split('/').all(|segment| segment != ".." ));
        }

        #[test]
        fn encoding_is_undone_by_one_decoding(given in "[^\u{0}-\u{1f}#?%\u{7f}]{0,40}") {
            let url = encoded(&given).unwrap();
            prop_assert_eq!(decode(&url).unwrap(), given.as_str());
        }
    }
}

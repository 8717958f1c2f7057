//! `$NAME` and `${NAME}` in standalone Configuration files, replaced before the file is read as YAML.
//!
//! Called by the reader of these files. The rules are those of Go's `os.ExpandEnv`, which the target uses, so that a file
//! means the same here: a name that is not set becomes nothing, and `$` before anything that cannot be a name stays.

/// Replaces every reference by the variable's value.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let (reference, length) = reference(after);
        match reference {
            Reference::Name(name) => result.push_str(&variable(name).unwrap_or_default()),
            Reference::Broken => {}
            Reference::None => result.push('$'),
        }
        rest = after.get(length..).unwrap_or_default();
    }
    result.push_str(rest);
    result
}

/// What follows a `$`.
enum Reference<'a> {
    /// The name of a variable.
    Name(&'a str),
    /// An opening brace without a usable name; it is dropped.
    Broken,
    /// Nothing that could be a name.
    None,
}

/// Reads the reference at the start of a text, and how many bytes it takes.
fn reference(text: &str) -> (Reference<'_>, usize) {
    let Some(first) = text.bytes().next() else { return (Reference::None, 0) };
    if first == b'{' {
        let inner = text.get(1..).unwrap_or_default();
        return match inner.find('}') {
            Some(0) => (Reference::Broken, 2),
            Some(end) => (Reference::Name(inner.get(..end).unwrap_or_default()), end + 2),
            None => (Reference::Broken, 1),
        };
    }
    if is_special(first) {
        return (Reference::Name(text.get(..1).unwrap_or_default()), 1);
    }
    let end = text.bytes().position(|byte| byte != b'_' && !byte.is_ascii_alphanumeric()).unwrap_or(text.len());
    match text.get(..end) {
        Some(name) if !name.is_empty() => (Reference::Name(name), end),
        _ => (Reference::None, 0),
    }
}

/// Names of one character, as shells have them.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(text: &str) -> String {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/me".to_owned()),
            "H" => Some("(h)".to_owned()),
            "A.B" => Some("dotted".to_owned()),
            "1" => Some("one".to_owned()),
            _ => None,
        };
        expand(text, &variable)
    }

    #[test]
    fn references_are_replaced_as_go_replaces_them() {
        let pairs = [
            ("$HOME", "/home/me"),
            ("${HOME}", "/home/me"),
            ("${H}OME", "(h)OME"),
            ("$HOME/x", "/home/me/x"),
            ("${A.B}", "dotted"),
            ("$A.B", ".B"),
            ("$NONE-", "-"),
            ("$12", "one2"),
            ("$$HOME", "HOME"),
            ("a $ b", "a $ b"),
            ("end$", "end$"),
            ("${}x", "x"),
            ("${HOME", "HOME"),
            ("$é", "$é"),
            ("^a(b|c)$", "^a(b|c)$"),
            ("$\"", "$\""),
        ];
        for (text, expected) in pairs {
            assert_eq!(expanded(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[${}A-Za-z_é*# ]{0,40}", any in ".{0,40}") {
            let _ = expanded(&text);
            let _ = expanded(&any);
        }

        #[test]
        fn text_without_a_dollar_is_kept(text in "[^$]{0,60}") {
            prop_assert_eq!(expanded(&text), text);
        }
    }
}

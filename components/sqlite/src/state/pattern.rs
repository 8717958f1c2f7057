//! SQL LIKE patterns as SQLite's GLOB, which tells upper from lower case: LIKE would show one app the keys of another
//! whose id differs only in case.

use component::{Error, ErrorKind};

/// A pattern for `GLOB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(String);

impl Glob {
    /// Translates `%`, `_` and `\` before the character it takes literally.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty pattern.
    pub(super) fn from_like(pattern: &str) -> Result<Self, Error> {
        if pattern.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "keys like pattern cannot be empty"));
        }
        let mut glob = String::with_capacity(pattern.len() + 8);
        let mut rest = pattern.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '%' if glob.ends_with('*') => {}
                '%' => glob.push('*'),
                '_' => glob.push('?'),
                '\\' => push_literal(&mut glob, rest.next().unwrap_or('\\')),
                other => push_literal(&mut glob, other),
            }
        }
        Ok(Self(glob))
    }

    /// As SQLite takes it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_literal(glob: &mut String, letter: char) {
    if matches!(letter, '*' | '?' | '[') {
        glob.extend(['[', letter, ']']);
    } else {
        glob.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_in_one_language_is_literal_in_the_other() {
        let glob = |like: &str| Glob::from_like(like).map(|glob| glob.0);
        assert_eq!(glob(r"app||%_\%\_\\x").unwrap(), r"app||*?%_\x");
        assert_eq!(glob("a*b?c[d]").unwrap(), "a[*]b[?]c[[]d]");
        assert!(glob("").is_err());
        assert_eq!(glob("a%%%").unwrap(), "a*");
        assert_eq!(glob(r"a\").unwrap(), r"a\");
    }
}

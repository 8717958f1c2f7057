//! SQL LIKE patterns over keys. Pure.

use component::{Error, ErrorKind};

/// A parsed pattern.
pub(crate) struct Pattern {
    prefix: String,
    parts: Vec<Part>,
}

#[derive(PartialEq)]
enum Part {
    Letter(char),
    AnyLetter,
    AnyText,
}

impl Pattern {
    /// `%` is any text, `_` any character, `\` takes the next character literally. An empty pattern is refused.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "keys like pattern cannot be empty"));
        }
        let mut parts = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                '%' => Part::AnyText,
                '_' => Part::AnyLetter,
                '\\' => Part::Letter(letters.next().unwrap_or('\\')),
                other => Part::Letter(other),
            });
        }
        let literal = parts.iter().map_while(|part| match part {
            Part::Letter(letter) => Some(*letter),
            Part::AnyLetter | Part::AnyText => None,
        });
        Ok(Self { prefix: literal.collect(), parts })
    }

    /// What every match starts with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether all of a text matches: which ends of the pattern can be reached is followed letter by letter.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.prefix.as_str()) else { return false };
        let parts = self.parts.get(self.prefix.chars().count()..).unwrap_or_default();
        let mut reached = vec![false; parts.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        open_any_text(parts, &mut reached);
        for letter in rest.chars() {
            let mut next = vec![false; parts.len() + 1];
            for (index, part) in parts.iter().enumerate() {
                if reached.get(index) == Some(&true) {
                    match part {
                        Part::AnyText => mark(&mut next, index),
                        Part::AnyLetter => mark(&mut next, index + 1),
                        Part::Letter(wanted) if *wanted == letter => mark(&mut next, index + 1),
                        Part::Letter(_) => {}
                    }
                }
            }
            open_any_text(parts, &mut next);
            reached = next;
        }
        reached.last() == Some(&true)
    }
}

fn mark(reached: &mut [bool], index: usize) {
    if let Some(place) = reached.get_mut(index) {
        *place = true;
    }
}

/// `%` may stand for nothing.
fn open_any_text(parts: &[Part], reached: &mut [bool]) {
    for (index, part) in parts.iter().enumerate() {
        if *part == Part::AnyText && reached.get(index) == Some(&true) {
            mark(reached, index + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn wildcards_and_escapes_match_as_in_sql() {
        for (pattern, text) in [
            ("%", ""),
            ("prefix||%", "prefix||"),
            ("%key1", "a||key1"),
            ("abc_", "abc1"),
            (r"hello\_%", "hello_you"),
            (r"\%\%%k", "%%work"),
            ("a\\", "a\\"),
            ("%ab%ab", "abab"),
            ("_", "ü"),
            ("a%b%c", "aXbXbXc"),
        ] {
            assert!(matches(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in
            [("abc_", "abc33"), ("abc", "abcd"), ("abcd", "abc"), (r"hello\_", "hello1"), ("_", ""), ("A", "a")]
        {
            assert!(!matches(pattern, text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn what_every_match_starts_with_is_known() {
        assert_eq!(Pattern::parse(r"a\_b%c").unwrap().prefix(), "a_b");
        assert_eq!(Pattern::parse("%").unwrap().prefix(), "");
        assert!(Pattern::parse("").is_err());
    }
}

//! SQL LIKE patterns over keys, for stores that match them themselves. Pure.

use crate::{Error, ErrorKind};

/// A parsed pattern.
#[derive(Debug)]
pub struct LikePattern(Vec<Part>);

#[derive(Debug, PartialEq)]
enum Part {
    Letter(char),
    AnyLetter,
    AnyText,
}

impl LikePattern {
    /// `%` is any text, `_` any character, `\` takes the next character literally.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty pattern.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "keys like pattern cannot be empty"));
        }
        let mut parts = Vec::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => parts.push(Part::Letter(letters.next().unwrap_or('\\'))),
                '%' if parts.last() == Some(&Part::AnyText) => {}
                '%' => parts.push(Part::AnyText),
                '_' => parts.push(Part::AnyLetter),
                literal => parts.push(Part::Letter(literal)),
            }
        }
        Ok(Self(parts))
    }

    /// What every match starts with.
    pub fn prefix(&self) -> String {
        let literal = self.0.iter().map_while(|part| match part {
            Part::Letter(letter) => Some(*letter),
            Part::AnyLetter | Part::AnyText => None,
        });
        literal.collect()
    }

    /// Whether all of `text` matches. Takes time in the length of the text times that of the pattern at worst.
    pub fn matches(&self, text: &str) -> bool {
        let (mut parts, mut rest) = (self.0.as_slice(), text.chars());
        let mut retry: Option<(&[Part], std::str::Chars<'_>)> = None;
        loop {
            match parts.split_first() {
                Some((Part::AnyText, after)) => {
                    retry = Some((after, rest.clone()));
                    parts = after;
                    continue;
                }
                Some((part, after)) => {
                    let next = rest.next();
                    if next.is_some_and(|letter| *part == Part::AnyLetter || *part == Part::Letter(letter)) {
                        parts = after;
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            // Lets the last `%` take one character more.
            let Some((after, mut from)) = retry.take() else { return false };
            if from.next().is_none() {
                return false;
            }
            (parts, rest) = (after, from.clone());
            retry = Some((after, from));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        LikePattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn wildcards_and_escapes_match_as_in_sql() {
        for (pattern, text) in [
            ("%", ""),
            ("%", "a||b"),
            ("prefix||%", "prefix||"),
            ("%key1", "a||key1"),
            ("abc_", "abc1"),
            (r"hello\_%", "hello_you"),
            (r"hello%\%", "hello%%"),
            (r"\%\%%k", "%%work"),
            ("a\\", "a\\"),
            ("%ab%ab", "abab"),
            ("_", "ü"),
            ("%ana", "banana"),
            ("a%b%c", "aXbXbXc"),
        ] {
            assert!(matches(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in [
            ("abc_", "abc33"),
            ("abc", "abcd"),
            ("abcd", "abc"),
            (r"hello\_", "hello1"),
            ("%ab%ab", "ab"),
            ("_", ""),
            ("a%b", "acbd"),
            ("A", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn what_every_match_starts_with_is_known() {
        assert_eq!(LikePattern::parse(r"a\_b%c").unwrap().prefix(), "a_b");
        assert_eq!(LikePattern::parse("%").unwrap().prefix(), "");
    }

    #[test]
    fn an_empty_pattern_is_refused() {
        assert_eq!(LikePattern::parse("").err().unwrap().to_string(), "keys like pattern cannot be empty");
    }

    /// The plain recursive meaning, to hold the fast one against.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|taken| slow(rest, &text[taken..])),
            Some(('_', rest)) => !text.is_empty() && slow(rest, &text[1..]),
            Some((letter, rest)) => text.first() == Some(letter) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plain_meaning(pattern in "[ab%_]{1,8}", text in "[ab]{0,10}") {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), slow(&letters(&pattern), &letters(&text)));
        }
    }
}

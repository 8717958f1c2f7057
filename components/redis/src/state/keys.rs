//! Listing keys: a pattern of SQL becomes one of Redis, the server is scanned, and pages are cut out of what it found, in
//! order. The token of a page is its last key, so that keys that go in between move nothing. Used by the state store.

use component::state::{KeysPage, KeysRequest};
use component::{Error, ErrorKind};

use crate::link::Link;
use crate::scan;

/// The keys of one page.
pub(super) async fn list(link: &Link, request: &KeysRequest) -> Result<KeysPage, Error> {
    if request.pattern.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, "keys like pattern cannot be empty"));
    }
    let pattern = Pattern::new(&request.pattern);
    let keys = scan::keys(link, &pattern.glob, |key| pattern.fits(key), "list keys").await?;
    Ok(page(keys, request))
}

fn page(mut keys: Vec<String>, request: &KeysRequest) -> KeysPage {
    if let Some(last) = &request.continuation_token {
        keys.retain(|key| key > last);
    }
    let size = request.page_size.filter(|size| *size > 0).and_then(|size| usize::try_from(size).ok());
    let more = size.is_some_and(|size| keys.len() > size);
    keys.truncate(size.unwrap_or(usize::MAX));
    let continuation_token = keys.last().filter(|_| more).cloned();
    KeysPage { keys, continuation_token }
}

/// A pattern of SQL's LIKE.
struct Pattern {
    parts: Vec<Part>,
    /// The same for Redis, which counts bytes: `_` becomes one byte or more, and what is too much is sorted out here.
    glob: String,
}

enum Part {
    Literal(char),
    AnyCharacter,
    AnyText,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '%' => Part::AnyText,
                '_' => Part::AnyCharacter,
                '\\' => Part::Literal(characters.next().unwrap_or('\\')),
                other => Part::Literal(other),
            });
        }
        let mut glob = String::new();
        for part in &parts {
            match part {
                Part::AnyText => glob.push('*'),
                Part::AnyCharacter => glob.push_str("?*"),
                Part::Literal(character) => {
                    if matches!(character, '*' | '?' | '[' | ']' | '^' | '\\') {
                        glob.push('\\');
                    }
                    glob.push(*character);
                }
            }
        }
        Self { parts, glob }
    }

    fn fits(&self, key: &str) -> bool {
        // Which numbers of parts can have been used up after each character.
        let mut reached = vec![false; self.parts.len() + 1];
        open(&mut reached, &self.parts, 0);
        for character in key.chars() {
            let mut next = vec![false; self.parts.len() + 1];
            for (place, part) in self.parts.iter().enumerate() {
                if !reached.get(place).copied().unwrap_or(false) {
                    continue;
                }
                match part {
                    Part::Literal(wanted) if *wanted != character => {}
                    Part::Literal(_) | Part::AnyCharacter => open(&mut next, &self.parts, place + 1),
                    Part::AnyText => open(&mut next, &self.parts, place),
                }
            }
            reached = next;
        }
        reached.last().copied().unwrap_or(false)
    }
}

/// Marks a place as reached, and what lies behind it as far as nothing more is needed.
fn open(reached: &mut [bool], parts: &[Part], from: usize) {
    for place in from..reached.len() {
        if let Some(mark) = reached.get_mut(place) {
            *mark = true;
        }
        if !matches!(parts.get(place), Some(Part::AnyText)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_of_sql_become_patterns_of_redis() {
        let glob = |text: &str| Pattern::new(text).glob;
        assert_eq!(glob("app||%"), "app||*");
        assert_eq!(glob("a_c"), "a?*c");
        assert_eq!(glob(r"50\%\_"), "50%_");
        assert_eq!(glob("a*[b]?"), r"a\*\[b\]\?");
        assert_eq!(glob("end\\"), r"end\\");
    }

    #[test]
    fn an_underscore_is_one_character_of_any_alphabet() {
        for (pattern, key, fits) in [
            ("a_c", "aüc", true),
            ("a_c", "abbc", false),
            ("%", "", true),
            ("_", "", false),
            ("%b%", "abc", true),
            ("a%%c", "abxc", true),
            ("a%c", "abcd", false),
            (r"a\%", "a%", true),
            (r"a\%", "ab", false),
        ] {
            assert_eq!(Pattern::new(pattern).fits(key), fits, "{pattern} {key}");
        }
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let keys = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let request = |token: Option<&str>| KeysRequest {
            page_size: Some(2),
            continuation_token: token.map(str::to_owned),
            ..KeysRequest::default()
        };
        let first = page(keys(), &request(None));
        assert_eq!((first.keys.len(), first.continuation_token.as_deref()), (2, Some("b")));
        let second = page(keys(), &request(Some("b")));
        assert_eq!((second.keys, second.continuation_token), (vec!["c".to_owned()], None));
        assert_eq!(page(keys(), &request(Some("z"))).keys.len(), 0);
    }

    proptest! {
        #[test]
        fn a_key_fits_itself_when_it_is_escaped(key in ".{0,20}") {
            let escaped: String = key.chars().flat_map(|character| ['\\', character]).collect();
            prop_assert!(Pattern::new(&escaped).fits(&key));
        }
    }
}

//! Handles by what a call says of itself: found without a lock and without an allocation, added once, bounded. Called by
//! whatever counts calls; what has no room here is counted together by the caller.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use super::registry::MAX_VALUE;

/// Rooms of the parts of a table. A part is made when those before it have no room for an entry.
const PARTS: [usize; 3] = [32, 256, 1024];
/// Rooms of a part in which an entry may be.
const WINDOW: usize = 8;

type Part<const N: usize, V> = Box<[OnceLock<Entry<N, V>>]>;

/// Values by `N` texts and a number. At most some 1300; nothing is ever removed.
#[derive(Debug)]
pub struct Table<const N: usize, V> {
    parts: [OnceLock<Part<N, V>>; PARTS.len()],
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry<const N: usize, V> {
    texts: [Box<str>; N],
    number: u32,
    value: V,
}

impl<const N: usize, V> Entry<N, V> {
    fn is(&self, texts: [&str; N], number: u32) -> bool {
        self.number == number && self.texts.iter().zip(texts).all(|(own, asked)| **own == *asked)
    }
}

impl<const N: usize, V> Default for Table<N, V> {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| OnceLock::new()), hasher: RandomState::default() }
    }
}

impl<const N: usize, V> Table<N, V> {
    /// The value of these texts and this number, made where there is none yet; `None` where there is no room for it.
    pub fn get(&self, texts: [&str; N], number: u32, make: impl Fn() -> V) -> Option<&V> {
        let hash = self.hash(texts, number);
        let is_short = texts.iter().all(|text| text.len() <= MAX_VALUE);
        for (part, rooms) in self.parts.iter().zip(PARTS) {
            let part = match part.get() {
                Some(part) => part,
                None if is_short => part.get_or_init(|| (0..rooms).map(|_| OnceLock::new()).collect()),
                None => return None,
            };
            for step in 0..WINDOW {
                let room = part.get(hash.wrapping_add(step) % rooms)?;
                let entry = match room.get() {
                    Some(entry) => entry,
                    None if is_short => {
                        room.get_or_init(|| Entry { texts: texts.map(Box::from), number, value: make() })
                    }
                    None => return None,
                };
                if entry.is(texts, number) {
                    return Some(&entry.value);
                }
            }
        }
        None
    }

    fn hash(&self, texts: [&str; N], number: u32) -> usize {
        let mut hasher = self.hasher.build_hasher();
        for text in texts {
            text.hash(&mut hasher);
        }
        number.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash do")]
        let hash = hasher.finish() as usize;
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_and_found_again() {
        let table: Table<2, String> = Table::default();
        let first = table.get(["a", "b"], 1, || "made".to_owned()).unwrap();
        assert_eq!(first, "made");
        assert_eq!(table.get(["a", "b"], 1, || unreachable!()).unwrap(), "made");
        assert_eq!(table.get(["ab", ""], 1, || "other".to_owned()).unwrap(), "other");
        assert_eq!(table.get(["a", "b"], 2, || "third".to_owned()).unwrap(), "third");
    }

    #[test]
    fn a_client_that_invents_names_cannot_make_it_grow_without_end() {
        let table: Table<1, usize> = Table::default();
        let kept =
            (0..20_000).filter(|number| table.get([&format!("/made/up/{number}")], 0, || *number).is_some()).count();
        assert!(kept <= PARTS.iter().sum() && kept >= 1000, "{kept}");
        assert!(table.get([&"x".repeat(MAX_VALUE + 1)], 0, || 1).is_none());
    }
}

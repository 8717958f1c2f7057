//! What several writers of one key saw and did, and whether one order of events explains it. Pure, so that the checker is
//! itself checked.

use std::collections::{HashMap, HashSet};

/// Something one writer saw or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A read: this value had this ETag.
    Read {
        /// The ETag answered.
        etag: String,
        /// The value answered.
        value: String,
    },
    /// A write of `value` over the version `over` that was accepted.
    Won {
        /// The ETag that the write was tied to.
        over: String,
        /// The value written; no two writes have the same.
        value: String,
    },
    /// A write over the version `over` that was refused because of its ETag.
    Lost {
        /// The ETag that the write was tied to.
        over: String,
    },
}

/// Holds a history against the promise: each version has one value, and exactly one writer replaced it, except for the
/// last. `first` is the value before all writes, `last` the one after them. Answers the number of versions.
pub(super) fn check(events: &[Event], first: &str, last: &str) -> Result<usize, String> {
    let mut value_of: HashMap<&str, &str> = HashMap::new();
    let mut next: HashMap<&str, &str> = HashMap::new();
    for event in events {
        if let Event::Read { etag, value } = event
            && let Some(other) = value_of.insert(etag, value)
            && other != value
        {
            return Err(format!("version {etag} had the values {other:?} and {value:?}"));
        }
    }
    for event in events {
        if let Event::Won { over, value } = event {
            let Some(replaced) = value_of.get(over.as_str()) else {
                return Err(format!("version {over} was written over and never read"));
            };
            if let Some(other) = next.insert(replaced, value) {
                return Err(format!("version {over} has two winners: {other:?} and {value:?}"));
            }
        }
    }
    for event in events {
        if let Event::Lost { over } = event
            && !value_of.get(over.as_str()).is_some_and(|value| next.contains_key(value))
        {
            return Err(format!("a write over version {over} was refused, but nobody won it"));
        }
    }
    let (mut current, mut seen) = (first, HashSet::from([first]));
    while let Some(following) = next.get(current) {
        if !seen.insert(following) {
            return Err(format!("the value {following:?} was written twice"));
        }
        current = following;
    }
    if current != last {
        return Err(format!("the accepted writes end at {current:?}, the store has {last:?}"));
    }
    if seen.len() != next.len() + 1 {
        return Err(format!(
            "{} accepted writes, but only {} of them follow on each other",
            next.len(),
            seen.len() - 1
        ));
    }
    if let Some(stray) = value_of.values().find(|value| !seen.contains(*value)) {
        return Err(format!("{stray:?} was read and never written"));
    }
    Ok(seen.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(etag: &str, value: &str) -> Event {
        Event::Read { etag: etag.to_owned(), value: value.to_owned() }
    }

    fn won(over: &str, value: &str) -> Event {
        Event::Won { over: over.to_owned(), value: value.to_owned() }
    }

    fn lost(over: &str) -> Event {
        Event::Lost { over: over.to_owned() }
    }

    #[test]
    fn one_winner_per_version_is_fine() {
        let events = [read("1", "a"), won("1", "b"), lost("1"), read("2", "b"), won("2", "c"), read("1", "a")];
        assert_eq!(check(&events, "a", "c"), Ok(3));
        assert_eq!(check(&[], "a", "a"), Ok(1));
    }

    #[test]
    fn every_broken_promise_is_found() {
        let broken: [(&[Event], &str, &str); 7] = [
            (&[read("1", "a"), won("1", "b"), won("1", "c")], "c", "two winners"),
            (&[read("1", "a"), read("1", "b")], "a", "had the values"),
            (&[won("1", "b")], "b", "never read"),
            (&[read("1", "a"), lost("1")], "a", "nobody won"),
            (&[read("1", "a"), won("1", "b")], "a", "end at"),
            (&[read("1", "a"), won("1", "b"), read("9", "x"), won("9", "y")], "b", "follow on each other"),
            (&[read("1", "a"), read("2", "x")], "a", "never written"),
        ];
        for (events, last, words) in broken {
            let found = check(events, "a", last).unwrap_err();
            assert!(found.contains(words), "{found} should say {words}");
        }
    }
}

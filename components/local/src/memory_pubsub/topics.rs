//! Who is subscribed to what. A pattern is a topic that ends in `*`: it stands for every longer topic that begins so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use component::pubsub::Message;
use tokio::sync::mpsc;

#[derive(Clone, Default)]
pub(super) struct Topics(Arc<Mutex<Joined>>);

#[derive(Default)]
struct Joined {
    next: u64,
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    number: u64,
    pattern: String,
    inlet: mpsc::Sender<Message>,
}

/// A place among the subscribers, given up when it is dropped.
pub(super) struct Membership {
    topics: Topics,
    number: u64,
}

impl Topics {
    pub(super) fn join(&self, pattern: &str, inlet: mpsc::Sender<Message>) -> Membership {
        let mut joined = self.lock();
        joined.next += 1;
        let number = joined.next;
        joined.subscribers.push(Subscriber { number, pattern: pattern.to_owned(), inlet });
        Membership { topics: self.clone(), number }
    }

    /// Where a message of a topic goes, in the order the subscribers came.
    pub(super) fn queues_of(&self, topic: &str) -> Vec<mpsc::Sender<Message>> {
        let joined = self.lock();
        let wanting = joined.subscribers.iter().filter(|subscriber| is_meant(&subscriber.pattern, topic));
        wanting.map(|subscriber| subscriber.inlet.clone()).collect()
    }

    pub(super) fn clear(&self) {
        self.lock().subscribers.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Joined> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.topics.lock().subscribers.retain(|subscriber| subscriber.number != self.number);
    }
}

fn is_meant(pattern: &str, topic: &str) -> bool {
    let begins_so = |prefix: &str| topic.len() > prefix.len() && topic.starts_with(prefix);
    pattern == topic || pattern.strip_suffix('*').is_some_and(begins_so)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_longer_topics_only() {
        for (pattern, topic, is) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("a*", "a", false),
            ("a*", "a*", true),
            ("*", "a", true),
            ("*", "", false),
            ("a*c", "abc", false),
        ] {
            assert_eq!(is_meant(pattern, topic), is, "{pattern} {topic}");
        }
    }
}

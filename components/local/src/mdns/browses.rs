//! Who waits for an answer about which app. Every packet that arrives is offered to all of them, so that one question
//! on the network serves every caller. The resolver calls it; it must not send anything.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hickory_proto::op::Message;
use tokio::sync::mpsc;

use super::query::endpoints;

/// More app ids than this are not looked for at the same time.
const MAX_APPS: usize = 512;
/// More callers than this do not wait for one app; they are told to try again.
const MAX_WAITING: usize = 4096;
/// Answers a slow caller can leave unread; later ones are dropped.
const UNREAD: usize = 64;

/// The callers that wait, by app id.
#[derive(Clone, Debug, Default)]
pub(super) struct Browses {
    waiting: Arc<Mutex<HashMap<String, Vec<Waiting>>>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    answers: mpsc::Sender<SocketAddr>,
}

/// A place among those who wait; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Browse {
    browses: Browses,
    app_id: String,
    number: u64,
    answers: mpsc::Receiver<SocketAddr>,
    /// Whether nobody was waiting for this app before, so that it has to be asked for.
    pub(super) is_first: bool,
}

impl Browses {
    /// Waits for answers about an app; `None` when too many wait already.
    pub(super) fn join(&self, app_id: &str) -> Option<Browse> {
        let mut waiting = self.lock();
        if waiting.len() >= MAX_APPS && !waiting.contains_key(app_id) {
            return None;
        }
        let list = waiting.entry(app_id.to_owned()).or_default();
        if list.len() >= MAX_WAITING {
            return None;
        }
        let is_first = list.is_empty();
        let number = list.last().map_or(0, |last| last.number + 1);
        let (sender, answers) = mpsc::channel(UNREAD);
        list.push(Waiting { number, answers: sender });
        Some(Browse { browses: self.clone(), app_id: app_id.to_owned(), number, answers, is_first })
    }

    /// Hands what a response says to everyone it concerns.
    pub(super) fn offer(&self, message: &Message) {
        for (app_id, list) in self.lock().iter() {
            for endpoint in endpoints(message, app_id) {
                tracing::debug!(target: "dapr.contrib", component = super::LOG_NAME,
                    "mDNS response for app id {app_id} received.");
                for waiting in list {
                    // A caller that does not read has its first answers; it needs no more.
                    let _ = waiting.answers.try_send(endpoint);
                }
            }
        }
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Browse {
    /// The next answer.
    pub(super) async fn next(&mut self) -> Option<SocketAddr> {
        self.answers.recv().await
    }
}

impl Drop for Browse {
    fn drop(&mut self) {
        let mut waiting = self.browses.lock();
        if let Some(list) = waiting.get_mut(&self.app_id) {
            list.retain(|other| other.number != self.number);
            if list.is_empty() {
                waiting.remove(&self.app_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use component::resolver::Instance;

    use super::super::service::Service;
    use super::*;

    fn announcement(app_id: &str) -> Message {
        let instance =
            Instance { app_id: app_id.into(), address: "10.0.0.1".into(), internal_port: 7, ..Instance::default() };
        Message::from_vec(&Service::new(&instance, "vm", 1).unwrap().announcement().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn one_answer_reaches_every_caller_of_that_app() {
        let browses = Browses::default();
        let mut first = browses.join("orders").unwrap();
        let mut second = browses.join("orders").unwrap();
        let mut other = browses.join("payments").unwrap();
        assert!(first.is_first && !second.is_first && other.is_first);
        browses.offer(&announcement("orders"));
        assert_eq!(first.next().await, second.next().await);
        assert!(other.answers.try_recv().is_err());
    }

    #[test]
    fn a_caller_that_leaves_is_forgotten() {
        let browses = Browses::default();
        let first = browses.join("orders").unwrap();
        drop(browses.join("orders").unwrap());
        let third = browses.join("orders").unwrap();
        assert!(!third.is_first);
        drop((first, third));
        assert!(browses.is_empty());
    }

    #[test]
    fn a_caller_that_does_not_read_holds_a_bounded_number_of_answers() {
        let browses = Browses::default();
        let browse = browses.join("orders").unwrap();
        for _ in 0..UNREAD * 2 {
            browses.offer(&announcement("orders"));
        }
        assert_eq!(browse.answers.len(), UNREAD);
    }
}

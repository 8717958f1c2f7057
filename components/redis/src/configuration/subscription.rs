//! One subscription: a connection of its own on which the server tells which keys changed, and the way of their values to
//! the subscriber. When the connection is lost it is made again, and what changed meanwhile is told. Made by the store, run
//! as a task; it ends when the subscriber or the component goes.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use component::Error;
use component::configuration::{Item, Items};
use futures_util::StreamExt as _;
use redis::aio::PubSubStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{item, notifications, read};
use crate::failure::Failure;
use crate::link::Link;
use component::backoff;

const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A subscription under way.
pub(super) struct Subscription {
    name: Arc<str>,
    link: Link,
    /// None means all.
    keys: Vec<String>,
    changes: mpsc::Sender<Items>,
    stream: PubSubStream,
    /// Keys that changed and whose values are still to be told.
    pending: BTreeSet<String>,
    /// Digests of the values last seen, to know after an interruption what changed.
    known: HashMap<String, u64>,
    complained: bool,
}

/// Why telling changes stopped.
enum Stopped {
    /// The subscriber or the component is gone.
    Over,
    /// The connection is lost, or values cannot be read.
    Interrupted,
}

impl Subscription {
    /// Subscribed when it answers: from then on no change is missed.
    pub(super) async fn start(
        name: &Arc<str>,
        link: &Link,
        keys: &[String],
        changes: mpsc::Sender<Items>,
    ) -> Result<Self, Error> {
        let opened = open(link, keys).await.map_err(|failure| failure.into_error("subscribe to configuration"))?;
        let known = digests(&read(link, keys).await?);
        let mut subscription = Self {
            name: Arc::clone(name),
            link: link.clone(),
            keys: keys.to_vec(),
            changes,
            stream: opened.stream,
            pending: BTreeSet::new(),
            known,
            complained: false,
        };
        subscription.complain(opened.silent);
        Ok(subscription)
    }

    /// Tells changes until the subscriber goes or the component is closed.
    pub(super) async fn run(mut self, closed: CancellationToken) {
        loop {
            let stopped = tokio::select! {
                () = closed.cancelled() => Stopped::Over,
                stopped = self.tell() => stopped,
            };
            let subscriber = self.changes.clone();
            let again = tokio::select! {
                () = closed.cancelled() => return,
                () = subscriber.closed() => return,
                again = self.open_again(), if matches!(stopped, Stopped::Interrupted) => again,
                else => return,
            };
            self.stream = again;
        }
    }

    async fn tell(&mut self) -> Stopped {
        let changes = self.changes.clone();
        loop {
            tokio::select! {
                () = changes.closed() => return Stopped::Over,
                message = self.stream.next() => match message {
                    Some(message) => self.note(message.get_channel_name()),
                    None => return Stopped::Interrupted,
                },
                place = changes.reserve(), if !self.pending.is_empty() => {
                    let Ok(place) = place else { return Stopped::Over };
                    let Some(key) = self.pending.first().cloned() else { continue };
                    let Ok(item) = self.current(&key).await else { return Stopped::Interrupted };
                    self.pending.remove(&key);
                    place.send(BTreeMap::from([(key, item)]));
                }
            }
        }
    }

    fn note(&mut self, channel: &str) {
        let beginning = notifications::channel(self.link.connecting().database, "");
        if let Some(key) = channel.strip_prefix(&beginning) {
            self.pending.insert(key.to_owned());
        }
    }

    /// The value of a key; an empty one where there is none (any more), as in the target.
    async fn current(&mut self, key: &str) -> Result<Item, Error> {
        let found = read(&self.link, &[key.to_owned()]).await?;
        match found.into_iter().next() {
            Some((key, raw)) => {
                self.known.insert(key, digest(&raw));
                Ok(item(&raw))
            }
            None => {
                self.known.remove(key);
                Ok(Item::default())
            }
        }
    }

    /// A new connection; tries until there is one, and notes what changed meanwhile.
    async fn open_again(&mut self) -> PubSubStream {
        tracing::warn!("component {}: the connection for configuration changes is lost, connecting again", self.name);
        let mut attempt = 0_u32;
        loop {
            tokio::time::sleep(backoff::wait(attempt, SHORTEST_WAIT, LONGEST_WAIT)).await;
            attempt = attempt.saturating_add(1);
            let Ok(opened) = open(&self.link, &self.keys).await else { continue };
            let Ok(found) = read(&self.link, &self.keys).await else { continue };
            let now = digests(&found);
            let gone = self.known.keys().filter(|key| !now.contains_key(*key));
            let changed = now.iter().filter(|(key, digest)| self.known.get(*key) != Some(digest)).map(|(key, _)| key);
            self.pending.extend(gone.chain(changed).cloned());
            self.known = now;
            self.complain(opened.silent);
            tracing::info!("component {}: configuration changes are told again", self.name);
            return opened.stream;
        }
    }

    fn complain(&mut self, silent: Option<Failure>) {
        if let Some(failure) = silent
            && !std::mem::replace(&mut self.complained, true)
        {
            let (name, error) = (&self.name, failure.into_error("switch on keyspace notifications"));
            tracing::warn!(
                "component {name}: {error}: changes are told only if notify-keyspace-events of the server has Kg$xe"
            );
        }
    }
}

struct Opened {
    stream: PubSubStream,
    /// Why the server may not tell of changes.
    silent: Option<Failure>,
}

async fn open(link: &Link, keys: &[String]) -> Result<Opened, Failure> {
    let connecting = link.connecting();
    let mut connection = connecting.dial_subscription().await?;
    // A server that was started anew has forgotten it.
    let silent = notifications::switch_on(link).await.err();
    if keys.is_empty() {
        connection.psubscribe(notifications::channel(connecting.database, "*")).await?;
    } else {
        let channels: Vec<String> = keys.iter().map(|key| notifications::channel(connecting.database, key)).collect();
        connection.subscribe(channels).await?;
    }
    Ok(Opened { stream: connection.into_on_message(), silent })
}

fn digests(found: &[(String, Vec<u8>)]) -> HashMap<String, u64> {
    found.iter().map(|(key, raw)| (key.clone(), digest(raw))).collect()
}

fn digest(raw: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    raw.hash(&mut hasher);
    hasher.finish()
}

//! Listens to one channel for all who subscribe to it. When the line breaks it is laid again, and what changed meanwhile
//! is found by comparing the table with what was known.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use component::configuration::{Changes, Item, Items};
use component::{Error, Tasks};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::announcement::Announcement;
use super::line::Line;
use super::subscriber::Subscriber;
use super::table::Table;
use crate::options::Options;

/// How long to wait before the line is laid again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a listener that nobody needs waits for the next subscriber: those who come and go share one connection.
const LINGER: Duration = Duration::from_secs(5);

/// Asks to be told of changes.
pub(super) struct Join {
    /// The keys wanted; none means all.
    pub(super) keys: Vec<String>,
    /// Where the stream goes. Dropped without a word when the listener was about to end.
    pub(super) answer: oneshot::Sender<Result<Changes, Error>>,
}

pub(super) struct Listener {
    channel: String,
    options: Options,
    table: Arc<Table>,
    tasks: Tasks,
    subscribers: Vec<Subscriber>,
    /// The last value of each key that somebody wants.
    known: HashMap<String, Item>,
    line: Option<Line>,
    pause: Duration,
    left: Arc<Notify>,
}

/// What happened.
enum Event {
    Joins(Join),
    Notified(String),
    Broken,
    Due,
    Left,
}

impl Listener {
    pub(super) fn new(channel: &str, options: Options, table: Arc<Table>, tasks: Tasks) -> Self {
        Self {
            channel: channel.to_owned(),
            options,
            table,
            tasks,
            subscribers: Vec::new(),
            known: HashMap::new(),
            line: None,
            pause: FIRST_PAUSE,
            left: Arc::default(),
        }
    }

    /// Goes on until the store is closed or nobody hears any more.
    pub(super) async fn run(mut self, joining: mpsc::Receiver<Join>, closing: CancellationToken) {
        tokio::select! {
            () = closing.cancelled() => {}
            () = self.listen(joining) => {}
        }
    }

    async fn listen(&mut self, mut joining: mpsc::Receiver<Join>) {
        let mut leaving = Instant::now() + LINGER;
        loop {
            let event = if self.subscribers.is_empty() {
                match timeout_at(leaving, self.next(&mut joining)).await {
                    Ok(event) => event,
                    // Who comes now is sent to the next listener.
                    Err(_) => return,
                }
            } else {
                let event = self.next(&mut joining).await;
                leaving = Instant::now() + LINGER;
                event
            };
            match event {
                None => return,
                Some(Event::Joins(join)) => self.admit(join).await,
                Some(Event::Notified(payload)) => self.tell(&payload).await,
                Some(Event::Broken) if self.subscribers.is_empty() => return,
                Some(Event::Broken) => {
                    tracing::warn!(target: "dapr.contrib", "the connection that listens to {} broke", self.channel);
                    self.line = None;
                }
                Some(Event::Due) => {
                    if let Err(error) = self.lay_line().await {
                        tracing::warn!(target: "dapr.contrib", "cannot listen to {} again: {error}", self.channel);
                        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    }
                }
                Some(Event::Left) => self.subscribers.retain(|subscriber| !subscriber.is_gone()),
            }
        }
    }

    async fn next(&mut self, joining: &mut mpsc::Receiver<Join>) -> Option<Event> {
        let (line, pause, needed) = (&mut self.line, self.pause, !self.subscribers.is_empty());
        let heard = async {
            match line {
                Some(line) => line.next().await.map_or(Event::Broken, Event::Notified),
                None if !needed => pending().await,
                None => {
                    tokio::time::sleep(pause).await;
                    Event::Due
                }
            }
        };
        tokio::select! {
            join = joining.recv() => join.map(Event::Joins),
            event = heard => Some(event),
            () = self.left.notified() => Some(Event::Left),
        }
    }

    /// Takes a subscriber in, once its changes are heard and its values are known.
    async fn admit(&mut self, join: Join) {
        let joined = match self.prepare(&join.keys).await {
            Ok(()) => {
                let (subscriber, changes) = Subscriber::new(join.keys, &self.tasks, Arc::clone(&self.left));
                self.subscribers.push(subscriber);
                Ok(changes)
            }
            Err(error) => Err(error),
        };
        // One who went away meanwhile is noticed at the closed stream.
        drop(join.answer.send(joined));
    }

    async fn prepare(&mut self, keys: &[String]) -> Result<(), Error> {
        if self.line.is_none() {
            self.lay_line().await?;
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.known.extend(self.table.read(&keys).await?);
        Ok(())
    }

    /// Listens, and tells what changed since the last line broke.
    async fn lay_line(&mut self) -> Result<(), Error> {
        let line = Line::open(&self.options, &self.channel, &self.tasks).await?;
        if !self.subscribers.is_empty() {
            self.catch_up().await?;
        }
        self.line = Some(line);
        self.pause = FIRST_PAUSE;
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), Error> {
        let all = self.subscribers.iter().any(|subscriber| subscriber.keys().is_empty());
        let wanted = self.subscribers.iter().flat_map(|subscriber| subscriber.keys()).map(String::as_str);
        let keys: Vec<&str> = if all { Vec::new() } else { wanted.collect() };
        let found = self.table.read(&keys).await?;
        let gone: Vec<String> = self.known.keys().filter(|key| !found.contains_key(*key)).cloned().collect();
        for key in gone {
            self.deliver(&key, None);
        }
        for (key, item) in found {
            if self.known.get(&key) != Some(&item) {
                self.deliver(&key, Some(item));
            }
        }
        Ok(())
    }

    async fn tell(&mut self, payload: &str) {
        let Some(Announcement { key, item }) = Announcement::parse(payload) else {
            tracing::info!(target: "dapr.contrib", "unknown format of data received in notify event");
            return;
        };
        if !self.subscribers.iter().any(|subscriber| subscriber.wants(&key)) {
            return;
        }
        let item = match item {
            Some(item) => Some(item),
            // Another row of the same key may be left.
            None => match self.table.read(&[&key]).await {
                Ok(mut items) => Items::remove(&mut items, &key),
                Err(error) => {
                    tracing::warn!(target: "dapr.contrib", "cannot read what was removed: {error}");
                    self.line = None;
                    return;
                }
            },
        };
        self.deliver(&key, item);
    }

    /// Tells a value to all who want it; `None` is told as an empty one.
    fn deliver(&mut self, key: &str, item: Option<Item>) {
        let told = item.clone().unwrap_or_default();
        for subscriber in self.subscribers.iter().filter(|subscriber| subscriber.wants(key)) {
            subscriber.tell(key, &told);
        }
        match item {
            Some(item) => drop(self.known.insert(key.to_owned(), item)),
            None => drop(self.known.remove(key)),
        }
    }
}

//! All topics of a hub: each runs as a task that takes what waits for it, in one turn. Made by the hub, which hands on what its
//! clients ask.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::Moment;
use service::{Shutdown, Tasks};
use tokio::sync::{mpsc, oneshot};

use crate::command::{Command, Reply};
use crate::names;
use crate::topic::{Topic, behind, check_name};
use crate::{Attach, Error, Outgoing, Publication, Settlement, Store, TopicName, TopicStatus};

/// Requests that may wait for a topic, which are also the most of one turn.
const WAITING: usize = 256;
/// The longest sleep: a machine that slept, or a clock that was set, tells nobody.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The most unsettled messages of one consumer.
const LARGEST_WINDOW: usize = 10_000;

/// What a broker is made of.
#[derive(Clone)]
pub struct Parts {
    /// Where its rows lie.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// Where its tasks run.
    pub tasks: Tasks,
    /// When they end.
    pub shutdown: Shutdown,
}

/// The topics of a hub.
pub struct Broker {
    parts: Parts,
    topics: Mutex<BTreeMap<TopicName, mpsc::Sender<Command>>>,
    consumers: AtomicU64,
}

impl Broker {
    /// Opens all topics there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(parts: Parts) -> Result<Self, Error> {
        let broker = Self { parts, topics: Mutex::default(), consumers: AtomicU64::new(1) };
        for name in broker.known().await? {
            broker.topic(&name);
        }
        Ok(broker)
    }

    async fn known(&self) -> Result<Vec<TopicName>, Error> {
        let store = &self.parts.store;
        let (mut from, until) = names::all();
        let mut known = Vec::new();
        while let Some((key, _)) = store.read((from, until.clone()), (1, 1)).await?.first() {
            let Some(database) = names::database_of(key) else { break };
            let end = names::behind_topics(&database);
            let mut next = names::first_topic(&database);
            loop {
                let rows = store.read((next.clone(), end.clone()), (WAITING, usize::MAX)).await?;
                let Some((last, _)) = rows.last() else { break };
                next = behind(last);
                let topics = rows.iter().filter_map(|(key, _)| names::topic_of(key, &database));
                known.extend(topics.map(|topic| TopicName { database: database.clone(), topic }));
            }
            from = end;
        }
        Ok(known)
    }

    /// The way to a topic, which is made if there is none.
    fn topic(&self, name: &TopicName) -> mpsc::Sender<Command> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commands) = topics.get(name) {
            return commands.clone();
        }
        let (commands, waiting) = mpsc::channel(WAITING);
        topics.insert(name.clone(), commands.clone());
        self.parts.tasks.spawn("topic", run(self.parts.clone(), name.clone(), waiting));
        commands
    }

    /// Publishes all messages or none; an answer means that they are on the disk.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Full`] if nothing was done; otherwise nobody knows.
    pub async fn publish(&self, name: &TopicName, publications: Vec<Publication>) -> Result<(), Error> {
        check_name("topic", &name.topic)?;
        ask(&self.topic(name), |reply| Command::Publish(publications, reply)).await
    }

    /// Makes a consumer. From the answer on, its group misses no message.
    ///
    /// # Errors
    /// [`Error::Invalid`] for names that are not allowed.
    pub async fn subscribe(&self, mut attach: Attach) -> Result<Subscription, Error> {
        check_name("topic", &attach.name.topic)?;
        check_name("group", &attach.group)?;
        attach.window.messages = attach.window.messages.clamp(1, LARGEST_WINDOW);
        attach.window.bytes = attach.window.bytes.max(1);
        // A message that was confirmed and not yet taken from here makes room for another one.
        let (sender, outgoing) = mpsc::channel(2 * attach.window.messages + 1);
        let number = self.consumers.fetch_add(1, Ordering::Relaxed);
        let commands = self.topic(&attach.name);
        let consumer = Consumer { commands: commands.clone(), group: attach.group.clone(), number };
        ask(&commands, |reply| Command::Attach { attach, consumer: number, sender, reply }).await?;
        Ok(Subscription { outgoing, consumer })
    }

    /// All topics, by name.
    ///
    /// # Errors
    /// When the broker has ended.
    pub async fn list(&self) -> Result<Vec<(TopicName, TopicStatus)>, Error> {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all = Vec::with_capacity(topics.len());
        for (name, commands) in topics {
            all.push((name, ask(&commands, Command::Status).await?));
        }
        Ok(all)
    }
}

/// A consumer and what it gets.
pub struct Subscription {
    /// What it gets. It ends when the topic cannot go on.
    pub outgoing: mpsc::Receiver<Outgoing>,
    /// The other direction.
    pub consumer: Consumer,
}

/// What a consumer says. `leave` has to be called at its end.
pub struct Consumer {
    commands: mpsc::Sender<Command>,
    group: String,
    number: u64,
}

impl Consumer {
    /// Settles messages; each is confirmed among the outgoing.
    pub async fn settle(&self, settlements: Vec<(u64, Settlement)>) {
        self.say(Command::Settle { group: self.group.clone(), consumer: self.number, settlements }).await;
    }

    /// Gets nothing more, and keeps what it holds.
    pub async fn pause(&self) {
        self.say(Command::Pause { group: self.group.clone(), consumer: self.number }).await;
    }

    /// Gives back what it holds, and is gone.
    pub async fn leave(self) {
        self.say(Command::Detach { group: self.group.clone(), consumer: self.number }).await;
    }

    async fn say(&self, command: Command) {
        // A topic that has ended has closed what the consumer reads.
        let _ = self.commands.send(command).await;
    }
}

async fn ask<T>(commands: &mpsc::Sender<Command>, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    commands.send(command(reply)).await.map_err(|_| Error::Closed)?;
    answer.await.map_err(|_| Error::Closed)?
}

/// Runs one topic until the stop, or until the store fails.
async fn run(parts: Parts, name: TopicName, mut waiting: mpsc::Receiver<Command>) {
    let failed = match serve(&parts, name.clone(), &mut waiting).await {
        Ok(()) => return,
        Err(error) => error,
    };
    tracing::error!(target: "dapr.hub", "Topic {} cannot go on: {failed}", name.topic);
    loop {
        let command = tokio::select! {
            () = parts.shutdown.requested() => return,
            command = waiting.recv() => command,
        };
        let Some(command) = command else { return };
        refuse(command, &failed);
    }
}

fn refuse(command: Command, failed: &Error) {
    match command {
        Command::Publish(_, reply) | Command::Attach { reply, .. } => drop(reply.send(Err(failed.clone()))),
        Command::Status(reply) => drop(reply.send(Err(failed.clone()))),
        Command::Settle { .. } | Command::Pause { .. } | Command::Detach { .. } => {}
    }
}

async fn serve(parts: &Parts, name: TopicName, waiting: &mut mpsc::Receiver<Command>) -> Result<(), Error> {
    let mut topic = Topic::open(name, Arc::clone(&parts.store)).await?;
    let mut due = topic.turn(Vec::new(), (parts.clock)()).await?;
    loop {
        let mut commands: Vec<Command> = Vec::new();
        let sleep = due.map(|due| Duration::from_millis(due.0.saturating_sub((parts.clock)().0)).min(LONGEST_SLEEP));
        let wake = async {
            match sleep {
                Some(sleep) => tokio::time::sleep(sleep).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = parts.shutdown.requested() => return Ok(()),
            count = waiting.recv_many(&mut commands, WAITING) => if count == 0 { return Ok(()) },
            () = wake => {}
        }
        due = topic.turn(commands, (parts.clock)()).await?;
    }
}

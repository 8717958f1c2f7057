//! One subscription: a task that reads what is new in a stream over a connection of its own, looks for what others or a
//! former life left pending, and hands both out. Started by the broker; it ends when the subscriber or the broker goes.

use std::sync::Arc;
use std::time::Duration;

use component::pubsub::Delivery;
use component::{Error, backoff};
use redis::{Value, cmd};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::entry::{self, Entry};
use super::held::Hold;
use super::settling::Settling;
use super::{Broker, unexpected};
use crate::failure::Failure;
use crate::link::{Effect, Link};
use crate::wire::Request;

/// How long the server waits for something new before it answers that there is nothing.
const BLOCK: Duration = Duration::from_secs(5);
/// How long the end of a subscription waits for a read under way.
const LAST_READ: Duration = Duration::from_millis(300);
/// How many bytes of data one read is to bring at most, as far as that can be known before.
const BYTES_AT_ONCE: usize = 4 << 20;
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A message on its way to the subscriber.
pub(super) struct Fetched {
    pub(super) entry: Entry,
    pub(super) hold: Hold,
}

/// A subscription to one stream.
pub(super) struct Subscription {
    pub(super) broker: Arc<Broker>,
    pub(super) stream: Arc<str>,
    reading: Link,
    ended: CancellationToken,
}

impl Subscription {
    pub(super) fn new(broker: Arc<Broker>, topic: &str) -> Self {
        let (reading, ended) = (broker.link.another(), broker.over.child_token());
        Self { broker, stream: topic.into(), reading, ended }
    }

    /// Until `deliveries` is closed or the broker is.
    pub(super) async fn run(self, deliveries: mpsc::Sender<Delivery>) {
        let (news, new) = mpsc::channel(self.broker.options.depth);
        let (agains, again) = mpsc::channel(self.broker.options.depth.min(self.broker.options.concurrency));
        let end = self.ended.clone().drop_guard();
        let handing_out = async {
            self.hand_out(deliveries, new, again).await;
            drop(end);
        };
        tokio::join!(handing_out, self.read_on(news), self.reclaim_on(agains));
    }

    /// What is fetched and not handed out at the end is dropped, and so given back.
    async fn hand_out(
        &self,
        deliveries: mpsc::Sender<Delivery>,
        mut new: mpsc::Receiver<Fetched>,
        mut again: mpsc::Receiver<Fetched>,
    ) {
        loop {
            let next = async {
                let room = deliveries.reserve().await.ok()?;
                let fetched = tokio::select! {
                    Some(fetched) = new.recv() => fetched,
                    Some(fetched) = again.recv() => fetched,
                    else => return None,
                };
                let place = Arc::clone(&self.broker.places).acquire_owned().await.ok()?;
                Some((room, fetched, place))
            };
            let (room, Fetched { entry, hold }, place) = tokio::select! {
                next = next => match next {
                    Some(next) => next,
                    None => return,
                },
                () = deliveries.closed() => return,
                () = self.broker.ending.cancelled() => return,
            };
            let settling = Settling { broker: Arc::clone(&self.broker), hold, place };
            room.send(Delivery::new(entry.into_message(&self.stream), settling));
        }
    }

    async fn read_on(&self, news: mpsc::Sender<Fetched>) {
        let (mut attempt, mut largest) = (0, BYTES_AT_ONCE / self.broker.options.concurrency.max(1));
        loop {
            let room = tokio::select! {
                // Only this adds to it, so the room does not shrink.
                room = news.reserve() => room.is_ok().then(|| news.capacity().saturating_add(1)),
                () = self.ended.cancelled() => return,
            };
            let Some(room) = room else { return };
            let count = room.min(BYTES_AT_ONCE / largest.max(1)).max(1);
            let reading = self.read(count);
            tokio::pin!(reading);
            let read = tokio::select! {
                read = &mut reading => read,
                () = self.ended.cancelled() => match tokio::time::timeout(LAST_READ, reading).await {
                    Ok(read) => read,
                    Err(_) => return,
                },
            };
            match read {
                Ok(entries) => {
                    self.say_recovered(&mut attempt);
                    for entry in entries {
                        largest = (largest - largest / 8).max(entry.data.len());
                        if let Some(fetched) = self.fetched(entry, 1) {
                            // One that finds nobody there is given back.
                            let _ = news.try_send(fetched);
                        }
                    }
                }
                Err(failure) => self.mend(failure, &mut attempt).await,
            }
        }
    }

    async fn read(&self, count: usize) -> Result<Vec<Entry>, Failure> {
        let consumer = &*self.broker.options.consumer;
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(consumer).arg(consumer).arg("COUNT").arg(count).arg("BLOCK").arg(block);
        read.arg("STREAMS").arg(&*self.stream).arg(">");
        let answer = self.reading.ask(Request::Command(&read), Effect::WaitingWrite(BLOCK)).await?;
        entry::read(answer).ok_or_else(unexpected)
    }

    /// After a failed read: a group that is gone is made again, and there is a pause.
    async fn mend(&self, failure: Failure, attempt: &mut u32) {
        if self.ended.is_cancelled() {
            return;
        }
        let (name, stream) = (&self.broker.name, &self.stream);
        let made = match failure.code() {
            Some("NOGROUP" | "UNBLOCKED") => self.broker.make_group(stream).await,
            _ => Ok(false),
        };
        match made {
            Ok(true) => tracing::warn!(
                "component {name}: the consumer group of topic {stream} was gone and is made again: its messages are \
                 delivered from the first that is there"
            ),
            Ok(false) => self.complain(failure.into_error("read a stream"), *attempt),
            Err(error) => self.complain(error, *attempt),
        }
        let wait = backoff::wait(*attempt, SHORTEST_WAIT, LONGEST_WAIT);
        *attempt = attempt.saturating_add(1);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.ended.cancelled() => {}
        }
    }

    fn complain(&self, error: Error, attempt: u32) {
        let (name, stream) = (&self.broker.name, &self.stream);
        if attempt == 0 {
            tracing::warn!("component {name}: {error}: topic {stream} is tried again until it can be read");
        } else {
            tracing::debug!("component {name}: {error}: topic {stream}");
        }
    }

    fn say_recovered(&self, attempt: &mut u32) {
        if std::mem::take(attempt) > 0 {
            tracing::info!("component {}: topic {} is read again", self.broker.name, self.stream);
        }
    }

    /// `None` if it is held already.
    pub(super) fn fetched(&self, entry: Entry, deliveries: u64) -> Option<Fetched> {
        if entry.is_odd {
            let (name, stream, id) = (&self.broker.name, &self.stream, &entry.id);
            tracing::warn!("component {name}: metadata of message {id} of topic {stream} is no object of texts");
        }
        let hold = self.broker.held.hold(&self.stream, &entry.id, deliveries)?;
        Some(Fetched { entry, hold })
    }

    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    pub(super) async fn ask(&self, command: &redis::Cmd, effect: Effect) -> Result<Value, Failure> {
        self.broker.link.ask(Request::Command(command), effect).await
    }
}

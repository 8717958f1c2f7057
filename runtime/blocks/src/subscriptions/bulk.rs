//! Many messages in one call: gathered by count, size and time, sent per path, settled one by one. Used by `running`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use app::events::{BulkEntry, BulkPayload, BulkTopicEvent};
use component::pubsub::{Deliveries, Delivery, Message};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use resources::BulkSubscribe;
use tokio::time::Instant as Moment;
use tokio_util::sync::CancellationToken;

use super::deliver::{Prepared, Subscription};
use super::ingress::Counted;
use super::message::{self, Form};
use super::verdict::Verdict;

/// Where the subscription does not say (the target's defaults).
const MAX_MESSAGES: usize = 100;
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Gathers messages. Asking it for the next batch may be given up at any time: what it holds stays.
pub(super) struct Batches {
    source: Deliveries,
    held: Vec<Delivery>,
    bytes: usize,
    due: Option<Moment>,
    most: usize,
    most_bytes: usize,
    wait: Duration,
}

impl Batches {
    pub(super) fn new(source: Deliveries, settings: &BulkSubscribe, most_bytes: usize) -> Self {
        let most = usize::try_from(settings.max_messages_count).ok().filter(|most| *most > 0);
        let wait = u64::try_from(settings.max_await_duration_ms).ok().filter(|wait| *wait > 0);
        Self {
            source,
            held: Vec::new(),
            bytes: 0,
            due: None,
            most: most.unwrap_or(MAX_MESSAGES),
            most_bytes,
            wait: wait.map_or(MAX_WAIT, Duration::from_millis),
        }
    }

    /// The next batch; `None` once the broker has no more.
    pub(super) async fn next(&mut self) -> Option<Vec<Delivery>> {
        loop {
            if self.held.len() >= self.most || self.bytes >= self.most_bytes {
                return self.rest();
            }
            let late = async {
                match self.due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                next = self.source.recv() => match next {
                    Some(delivery) => {
                        self.due.get_or_insert_with(|| Moment::now() + self.wait);
                        self.bytes = self.bytes.saturating_add(delivery.message.data.len());
                        self.held.push(delivery);
                    }
                    None => return self.rest(),
                },
                () = late => return self.rest(),
            }
        }
    }

    /// What was gathered so far.
    pub(super) fn rest(&mut self) -> Option<Vec<Delivery>> {
        self.due = None;
        self.bytes = 0;
        Some(std::mem::take(&mut self.held)).filter(|held| !held.is_empty())
    }
}

/// Messages of one call that goes to one path.
#[derive(Default)]
struct Group {
    path: String,
    deliveries: Vec<(Delivery, Message)>,
    entries: Vec<BulkEntry>,
}

impl Subscription {
    /// Handles many messages to their end.
    pub(super) async fn deliver_bulk(&self, batch: Vec<Delivery>, ending: &CancellationToken) {
        let (mut groups, settling) = (Vec::<Group>::new(), FuturesUnordered::new());
        for mut delivery in batch {
            let mut message = std::mem::take(&mut delivery.message);
            message.topic = self.own_topic(&message.topic);
            match self.prepare(&message) {
                Prepared::Settled(verdict, counted) => {
                    self.ingress.entry(self.place(&message), counted);
                    settling.push(self.settle(delivery, (message, verdict), ending));
                }
                Prepared::For(read, path) => {
                    let group = match groups.iter().position(|group| group.path == path) {
                        Some(at) => groups.get_mut(at),
                        None => {
                            groups.push(Group { path, ..Group::default() });
                            groups.last_mut()
                        }
                    };
                    let Some(group) = group else { continue };
                    group.entries.push(self.entry(&message, read.event));
                    group.deliveries.push((delivery, message));
                }
            }
        }
        let handling =
            groups.into_iter().map(|group| self.attempt_bulk(group, ending)).collect::<FuturesUnordered<_>>();
        tokio::join!(handling.collect::<()>(), settling.collect::<()>());
    }

    fn entry(&self, message: &Message, event: app::events::CloudEvent) -> BulkEntry {
        let (event, default) = match self.form {
            Form::Raw => (BulkPayload::Raw(message.data.clone()), "application/octet-stream"),
            Form::Events => (BulkPayload::CloudEvent(event), "application/cloudevents+json"),
        };
        let content_type = message.content_type.clone().filter(|given| !given.is_empty());
        BulkEntry {
            id: uuid::Uuid::new_v4().to_string(),
            content_type: content_type.unwrap_or_else(|| default.to_owned()),
            metadata: message.metadata.clone(),
            event,
        }
    }

    /// Sends one call, once, and settles each of its messages. A policy for what comes in would repeat this, for the entries
    /// that failed.
    async fn attempt_bulk(&self, group: Group, ending: &CancellationToken) {
        let topic = match group.deliveries.first() {
            Some((_, message)) => message.topic.clone(),
            None => return,
        };
        let trace = group.entries.iter().find_map(|entry| match &entry.event {
            BulkPayload::CloudEvent(event) => message::trace_parent(event).and_then(|_| self.span(event)),
            BulkPayload::Raw(_) => None,
        });
        let call = BulkTopicEvent {
            id: uuid::Uuid::new_v4().to_string(),
            pubsub: Arc::clone(&self.pubsub),
            topic,
            path: group.path,
            entries: group.entries,
            metadata: [("pubsubName".to_owned(), self.pubsub.to_string())].into(),
        };
        let started = Instant::now();
        let outcomes = self.recipient.bulk_topic_event(&call, trace).await;
        self.ingress.call((&self.pubsub, &call.topic), started.elapsed());
        let mut outcomes = outcomes.into_iter();
        let settling = FuturesUnordered::new();
        for (delivery, message) in group.deliveries {
            // An entry without an outcome is one that was not handled.
            let (verdict, counted) = match outcomes.next() {
                Some(outcome) => self.judge(&outcome, &message.topic),
                None => (Verdict::Failed, Counted::Retry),
            };
            self.ingress.entry(self.place(&message), counted);
            settling.push(self.settle(delivery, (message, verdict), ending));
        }
        settling.collect::<()>().await;
    }
}

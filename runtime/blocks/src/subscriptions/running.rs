//! The life of one subscription: pulls from its source, works on what came, and ends as `drain` says. Spawned by the registry.
//! A message whose handling panics is left unsettled, and nothing else notices.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use component::pubsub::{Deliveries, Delivery};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use service::Tasks;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bulk::Batches;
use super::deliver::Subscription;
use super::drain::{Drain, Effect, Event, Limits};

/// How much of one subscription is worked on at the same time. A backend may hand out less.
const LIMITS: Limits = Limits { messages: 256, bytes: 16 << 20 };

/// What a subscription is run with.
pub(super) struct Run {
    pub(super) subscription: Arc<Subscription>,
    pub(super) tasks: Tasks,
    /// How long what is in flight may take once the subscription ends.
    pub(super) grace: Duration,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

enum Source {
    Single(Deliveries),
    Bulk(Batches),
}

/// What is worked on as one.
enum Unit {
    One(Delivery),
    Many(Vec<Delivery>),
}

impl Source {
    async fn next(&mut self) -> Option<Unit> {
        match self {
            Self::Single(deliveries) => deliveries.recv().await.map(Unit::One),
            Self::Bulk(batches) => batches.next().await.map(Unit::Many),
        }
    }

    /// What was taken in and not worked on yet.
    fn rest(&mut self) -> Option<Unit> {
        match self {
            Self::Single(_) => None,
            Self::Bulk(batches) => batches.rest().map(Unit::Many),
        }
    }
}

impl Unit {
    fn bytes(&self) -> usize {
        let size = |delivery: &Delivery| delivery.message.data.len();
        match self {
            Self::One(delivery) => size(delivery),
            Self::Many(batch) => batch.iter().map(size).fold(0, usize::saturating_add),
        }
    }
}

/// Work on one unit; it ends where this is dropped, and leaves unsettled what it had not settled.
struct InFlight {
    handle: JoinHandle<()>,
    bytes: usize,
}

impl Future for InFlight {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        // A panic was logged by the tracker; the message is unsettled.
        Pin::new(&mut self.handle).poll(context).map(|_| self.bytes)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Run {
    /// Runs until it is stopped and drained, or until the broker has no more. Whether it was stopped.
    pub(super) async fn follow(self, deliveries: Deliveries) -> bool {
        let bulk = &self.subscription.spec.bulk_subscribe;
        let (source, limits) = match bulk.enabled {
            true => (Source::Bulk(Batches::new(deliveries, bulk, LIMITS.bytes)), Limits { messages: 1, ..LIMITS }),
            false => (Source::Single(deliveries), LIMITS),
        };
        let (mut source, mut drain) = (Some(source), Drain::new(limits));
        let mut working = FuturesUnordered::new();
        let mut time_over: Option<Instant> = None;
        loop {
            let event = tokio::select! {
                biased;
                () = self.stop.cancelled(), if drain.is_stoppable() => {
                    if let Some(rest) = source.as_mut().and_then(Source::rest) {
                        drain.step(self.start(rest, &mut working));
                    }
                    Event::Stop
                }
                Some(bytes) = working.next(), if !working.is_empty() => Event::Finished(bytes),
                () = until(time_over), if time_over.is_some() => Event::TimeOver,
                unit = next(&mut source), if drain.may_take() => match unit {
                    Some(unit) => self.start(unit, &mut working),
                    None => Event::SourceEnded,
                },
            };
            for effect in drain.step(event) {
                match effect {
                    Effect::CloseSource => source = None,
                    Effect::StartTimer => time_over = Some(Instant::now() + self.grace),
                    Effect::Abandon => working.clear(),
                    Effect::End => return self.stop.is_cancelled(),
                }
            }
        }
    }

    fn start(&self, unit: Unit, working: &mut FuturesUnordered<InFlight>) -> Event {
        let bytes = unit.bytes();
        let (subscription, ending) = (Arc::clone(&self.subscription), self.stop.clone());
        let handle = self.tasks.spawn("delivery of a message", async move {
            match unit {
                Unit::One(delivery) => subscription.deliver(delivery, &ending).await,
                Unit::Many(batch) => subscription.deliver_bulk(batch, &ending).await,
            }
        });
        working.push(InFlight { handle, bytes });
        Event::Took(bytes)
    }
}

async fn next(source: &mut Option<Source>) -> Option<Unit> {
    match source {
        Some(source) => source.next().await,
        None => None,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

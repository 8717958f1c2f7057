//! One subscription: a task that keeps a channel with a consumer, makes it again when it breaks, and hands out what comes in,
//! never more than may be unsettled. Started by `pubsub`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use component::pubsub::{Deliveries, Delivery, Message};
use component::{Error, ErrorKind, Retry};
use futures_util::StreamExt as _;
use lapin::Consumer;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::attempts::Attempts;
use crate::failure::Failure;
use crate::link::{Link, PATIENCE, in_time};
use crate::message::to_metadata;
use crate::receipt::{Kept, Receipt, Rules};
use crate::settings::Plan;
use crate::topology::Wish;

/// How long a subscription may take to come about, as in the target.
const UNTIL_STARTED: Duration = Duration::from_secs(60);

/// One subscription.
pub(crate) struct Subscription {
    link: Arc<Link>,
    wish: Wish,
    rules: Arc<Rules>,
    /// Places for what is worked on, also over a new connection.
    places: Arc<Semaphore>,
}

/// A consumer and the channel it is on.
struct Intake {
    kept: Arc<Kept>,
    consumer: Consumer,
}

/// Why nothing more comes in.
enum Stop {
    /// Nobody wants more.
    Ended,
    /// The channel is gone.
    Lost(String),
}

impl Subscription {
    /// Nothing is done yet.
    pub(crate) fn new(link: Arc<Link>, plan: Arc<Plan>, wish: Wish) -> Self {
        let dialer = link.dialer();
        let (tasks, ended) = (dialer.tasks().clone(), dialer.closed().child_token());
        let places = Arc::new(Semaphore::new(plan.concurrency));
        let rules = Arc::new(Rules { plan, attempts: Attempts::default(), tasks, ended });
        Self { link, wish, rules, places }
    }

    /// Starts it; an answer means that the queue is there and nothing is missed any more.
    pub(crate) async fn start(self) -> Result<Deliveries, Error> {
        let (outlet, deliveries) = mpsc::channel(1);
        let (started, waiting) = oneshot::channel();
        let doing = format!("subscribe to {}", self.wish.topic);
        let tasks = self.rules.tasks.clone();
        tasks.spawn("rabbitmq subscription", async move {
            let _ended = self.rules.ended.clone().drop_guard();
            self.run(&outlet, started).await;
        });
        let outcome = waiting.await.unwrap_or(Err(Failure::Closed));
        outcome.map(|()| deliveries).map_err(|failure| failure.into_error(&doing, Retry::NotProcessed))
    }

    async fn run(&self, outlet: &mpsc::Sender<Delivery>, started: oneshot::Sender<Result<(), Failure>>) {
        let limit = Instant::now() + UNTIL_STARTED;
        let mut started = Some(started);
        let mut failures = 0;
        loop {
            let opened = tokio::select! {
                opened = self.open() => opened,
                () = self.over(outlet) => return,
            };
            let why = match opened {
                Ok(intake) => {
                    failures = 0;
                    if let Some(started) = started.take() {
                        // Who no longer waits has dropped the other end of the outlet, too.
                        let _ = started.send(Ok(()));
                    }
                    match self.hand_out(intake, outlet).await {
                        Stop::Ended => return,
                        Stop::Lost(why) => why,
                    }
                }
                Err(failure) => {
                    let hopeless = failure.kind() != ErrorKind::Unavailable || Instant::now() > limit;
                    if let Some(waiting) = started.take_if(|_| hopeless || matches!(failure, Failure::Closed)) {
                        let _ = waiting.send(Err(failure));
                        return;
                    }
                    failure.to_string()
                }
            };
            let pause = self.link.dialer().pause(failures);
            failures = failures.saturating_add(1);
            tracing::warn!("rabbitmq: queue {} is not read, trying again in {pause:?}: {why}", self.wish.queue);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.over(outlet) => return,
            }
        }
    }

    /// The end: nobody reads any more, or the component is closed.
    async fn over(&self, outlet: &mpsc::Sender<Delivery>) {
        tokio::select! {
            () = outlet.closed() => {}
            () = self.rules.ended.cancelled() => {}
        }
    }

    async fn open(&self) -> Result<Intake, Failure> {
        let plan = &self.rules.plan;
        let live = self.link.live().await?;
        self.wish.fulfil(&live, plan).await?;
        let channel = live.channel().await?;
        in_time(channel.basic_qos(plan.prefetch, BasicQosOptions::default())).await?;
        let (options, queue) = (BasicConsumeOptions::default(), self.wish.queue.clone());
        // A channel has one consumer, so that the queue's name tells it well enough.
        let consumer = in_time(channel.basic_consume(queue.clone(), queue, options, FieldTable::default())).await?;
        Ok(Intake { kept: Arc::new(Kept { channel, _live: live }), consumer })
    }

    async fn hand_out(&self, mut intake: Intake, outlet: &mpsc::Sender<Delivery>) -> Stop {
        let stop = loop {
            let next = async {
                let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
                let room = outlet.reserve().await.ok()?;
                Some((place, room, intake.consumer.next().await))
            };
            let next = tokio::select! {
                biased;
                () = self.over(outlet) => break Stop::Ended,
                next = next => next,
            };
            match next {
                None => break Stop::Ended,
                Some((_, _, None)) => break Stop::Lost("the server ended it".to_owned()),
                Some((_, _, Some(Err(error)))) => break Stop::Lost(Failure::from(error).to_string()),
                // One of a channel that is gone comes again over the next.
                Some((_, _, Some(Ok(arrived)))) if !arrived.acker.usable() => {}
                Some((place, room, Some(Ok(arrived)))) => {
                    let receipt = Receipt::new(&arrived, Arc::clone(&intake.kept), Arc::clone(&self.rules), place);
                    if self.rules.plan.auto_ack && arrived.acker.ack(BasicAckOptions::default()).await.is_err() {
                        continue;
                    }
                    room.send(Delivery::new(self.message(arrived), receipt));
                }
            }
        };
        if matches!(stop, Stop::Ended) {
            leave(intake, &self.wish).await;
        }
        stop
    }

    fn message(&self, arrived: lapin::message::Delivery) -> Message {
        let properties = self.rules.plan.properties_to_metadata.then(|| to_metadata(&arrived.properties));
        Message {
            topic: self.wish.topic.to_string(),
            data: Bytes::from(arrived.data),
            content_type: None,
            metadata: properties.unwrap_or_default(),
        }
    }
}

/// Has the server send nothing more and gives back what it sent and nobody was handed.
async fn leave(mut intake: Intake, wish: &Wish) {
    let cancelling = intake.kept.channel.basic_cancel(wish.queue.clone(), BasicCancelOptions::default());
    if !matches!(timeout(PATIENCE, cancelling).await, Ok(Ok(()))) {
        // The channel is gone, and the server takes everything back by itself.
        return;
    }
    while let Some(Ok(arrived)) = intake.consumer.next().await {
        let back = lapin::options::BasicNackOptions { multiple: false, requeue: true };
        if arrived.acker.nack(back).await.is_err() {
            return;
        }
    }
}

//! All subscriptions of a sidecar: those the app has, started and ended with its health, and those of streams. Made and driven
//! by `sidecar`; the door of streams adds to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::events::Recipient;
use app::{Channel, Health};
use component::Family;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use loaded::LoadedComponents;
use resources::{Routes, Subscription, SubscriptionSpec};
use service::{Shutdown, Tasks};
use telemetry::{Metrics, Tracing};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wire::runtime::{self as v1, PubsubSubscriptionType as Kind};

use super::Error;
use super::ingress::Ingress;
use super::running::Run;
use super::sources::{self, Sourced};
use super::start::{self, Opened};
use crate::pubsub::PubSub;

const TARGET: &str = "dapr.runtime.processor.subscription";
/// How long the start of a sidecar waits for brokers that do not answer; they are asked on behind it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to subscribe: the first wait, and the longest (the target's exponential back-off).
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// What subscriptions are made with.
pub struct Parts {
    /// Id of the app.
    pub app_id: Arc<str>,
    /// Namespace of the app.
    pub namespace: Arc<str>,
    /// Where the brokers are.
    pub components: LoadedComponents,
    /// Publishes to dead-letter topics.
    pub publisher: PubSub,
    /// The app, if there is one.
    pub channel: Option<Channel>,
    /// Whether the app is asked for its topics (not with `--disable-init-endpoints subscribe`).
    pub asks_app: bool,
    /// What is declared for this app.
    pub declared: Vec<Subscription>,
    /// Where messages are counted.
    pub metrics: Metrics,
    /// How traces go on.
    pub tracing: Tracing,
    /// Where subscriptions run.
    pub tasks: Tasks,
    /// How long what is in flight may take once a subscription ends.
    pub grace: Duration,
}

/// All subscriptions. A clone is the same set.
#[derive(Clone)]
pub struct Subscriptions {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    declared: Vec<SubscriptionSpec>,
    ingress: Ingress,
    /// Cancelled when nothing may start any more.
    closed: CancellationToken,
    /// Held while the app's subscriptions start or end.
    app: tokio::sync::Mutex<OfApp>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct OfApp {
    active: bool,
    asked: bool,
    running: Vec<Running>,
}

/// What the metadata API tells, beside what is declared.
#[derive(Default)]
struct Told {
    asked: Vec<SubscriptionSpec>,
    streams: BTreeMap<u64, Stream>,
    count: u64,
}

struct Stream {
    sourced: Sourced,
    running: Running,
}

/// How a running subscription is ended, and that it has.
#[derive(Clone)]
struct Running {
    pubsub: Arc<str>,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// The subscription of a stream. Dropping it ends the subscription: what is not answered goes back to the broker.
pub struct StreamHandle {
    number: u64,
    running: Running,
    inner: Arc<Inner>,
}

impl Running {
    fn new(pubsub: &str) -> Self {
        Self { pubsub: Arc::from(pubsub), stop: CancellationToken::new(), ended: CancellationToken::new() }
    }
}

impl StreamHandle {
    /// Resolves once the subscription has ended: with its component, with the sidecar, or by its broker.
    pub async fn ended(&self) {
        self.running.ended.cancelled().await;
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.running.stop.cancel();
        self.inner.told().streams.remove(&self.number);
    }
}

impl Subscriptions {
    /// Nothing runs yet.
    pub fn new(mut parts: Parts) -> Self {
        let found = std::mem::take(&mut parts.declared);
        let inner = Inner {
            declared: sources::declared(found),
            ingress: Ingress::new(parts.metrics.clone()),
            closed: CancellationToken::new(),
            app: tokio::sync::Mutex::default(),
            told: Mutex::default(),
            parts,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts what is declared and what the app asks for, and ends it whenever the app is unwell, until `shutdown`.
    pub async fn follow(self, health: Health, shutdown: Shutdown) {
        let following = async {
            loop {
                health.healthy().await;
                self.start_app().await;
                health.unhealthy().await;
                self.stop_app().await;
            }
        };
        tokio::select! {
            () = shutdown.requested() => {}
            () = following => {}
        }
    }

    /// Starts what is declared and what the app asks for. Returns when every broker has answered, or after a while: those
    /// that fail are asked again behind it.
    pub async fn start_app(&self) {
        let inner = &self.inner;
        if inner.parts.channel.is_none() {
            if !inner.declared.is_empty() && inner.parts.components.has_any(Family::PubSub) {
                tracing::warn!(
                    target: TARGET,
                    "app channel not initialized, make sure -app-port is specified if pubsub subscription is required"
                );
            }
            return;
        }
        let starting = async {
            let mut app = inner.app.lock().await;
            if !app.active {
                inner.start_app(&mut app).await;
            }
        };
        tokio::select! {
            () = inner.closed.cancelled() => {}
            () = starting => {}
        }
    }

    /// Ends what the app has, until it is started again. Streams go on.
    pub async fn stop_app(&self) {
        let mut app = self.inner.app.lock().await;
        app.active = false;
        drain(std::mem::take(&mut app.running)).await;
    }

    /// Ends all subscriptions to a component, streams too: before it closes.
    pub async fn stop_component(&self, name: &str) {
        let mut app = self.inner.app.lock().await;
        let (ending, staying): (Vec<_>, Vec<_>) =
            std::mem::take(&mut app.running).into_iter().partition(|running| &*running.pubsub == name);
        app.running = staying;
        drain(ending.into_iter().chain(self.streams(|running| &*running.pubsub == name))).await;
    }

    /// Ends everything, for good: takes nothing new, finishes what is in flight for as long as there is time, and leaves the
    /// rest to the brokers.
    pub async fn stop_forever(&self) {
        self.inner.closed.cancel();
        let mut app = self.inner.app.lock().await;
        app.active = false;
        let running = std::mem::take(&mut app.running);
        drain(running.into_iter().chain(self.streams(|_| true))).await;
    }

    /// Subscribes for a stream that an app has opened.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn subscribe_stream(
        &self,
        spec: SubscriptionSpec,
        recipient: Arc<dyn Recipient>,
    ) -> Result<StreamHandle, Error> {
        let inner = &self.inner;
        // A stream has one path, whatever it says.
        let routes = Routes { rules: Vec::new(), default: "/".to_owned() };
        let spec = SubscriptionSpec { routes, ..spec };
        let opened = tokio::select! {
            biased;
            () = inner.closed.cancelled() => return Err(Error::Closed),
            opened = start::open((&inner.parts, &inner.ingress), &spec, recipient) => opened?,
        };
        let running = Running::new(&spec.pubsubname);
        let mut told = inner.told();
        told.count += 1;
        let number = told.count;
        let stream = Stream { sourced: Sourced { kind: Kind::Streaming, spec }, running: running.clone() };
        told.streams.insert(number, stream);
        drop(told);
        let handle = StreamHandle { number, running: running.clone(), inner: Arc::clone(inner) };
        if inner.closed.is_cancelled() {
            return Err(Error::Closed);
        }
        let (run, deliveries) = inner.run(opened, running.stop.clone());
        inner.parts.tasks.spawn("subscription of a stream", async move {
            let _ended = running.ended.drop_guard();
            run.follow(deliveries).await;
        });
        Ok(handle)
    }

    /// As the metadata API tells them: what is declared, what the app asks for, streams.
    pub fn list(&self) -> Vec<v1::PubsubSubscription> {
        let told = self.inner.told();
        let mut list: Vec<_> = sources::merged(&self.inner.declared, &told.asked).iter().map(Sourced::told).collect();
        list.extend(told.streams.values().map(|stream| stream.sourced.told()));
        list
    }

    fn streams(&self, which: impl Fn(&Running) -> bool) -> Vec<Running> {
        let told = self.inner.told();
        told.streams.values().map(|stream| stream.running.clone()).filter(which).collect()
    }
}

/// Ends subscriptions and waits until they have.
async fn drain(running: impl IntoIterator<Item = Running>) {
    let ending: Vec<Running> = running.into_iter().inspect(|running| running.stop.cancel()).collect();
    for running in &ending {
        running.ended.cancelled().await;
    }
}

impl Inner {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, (subscription, deliveries): Opened, stop: CancellationToken) -> (Run, component::pubsub::Deliveries) {
        let run = Run { subscription, tasks: self.parts.tasks.clone(), grace: self.parts.grace, stop };
        (run, deliveries)
    }

    async fn start_app(self: &Arc<Self>, app: &mut OfApp) {
        let Some(channel) = self.parts.channel.clone() else { return };
        self.ask(app, &channel).await;
        app.active = true;
        let recipient: Arc<dyn Recipient> = Arc::new(channel);
        let merged = sources::merged(&self.declared, &self.told().asked);
        let mut trying = FuturesUnordered::new();
        for Sourced { spec, .. } in merged {
            let (running, (tried, first)) = (Running::new(&spec.pubsubname), oneshot::channel());
            app.running.push(running.clone());
            let (inner, recipient) = (Arc::clone(self), Arc::clone(&recipient));
            self.parts.tasks.spawn("subscription", inner.keep(spec, recipient, running, tried));
            trying.push(first);
        }
        let all = async { while trying.next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!(target: TARGET, "some subscriptions wait for their brokers");
        }
    }

    /// Asks the app for its topics, once.
    async fn ask(&self, app: &mut OfApp, channel: &Channel) {
        if app.asked || !self.parts.components.has_any(Family::PubSub) {
            return;
        }
        if !self.parts.asks_app {
            app.asked = true;
            tracing::warn!(
                target: TARGET,
                "Skipping programmatic subscription loading (see 'disable-init-endpoints' flag/annotation)"
            );
            return;
        }
        match channel.topic_subscriptions(&self.parts.app_id).await {
            Ok(asked) => {
                app.asked = true;
                tell_topics(&asked);
                self.told().asked = asked;
            }
            Err(failure) => tracing::warn!(target: "dapr.runtime", "failed to subscribe to topics: {failure}"),
        }
    }

    /// Runs a subscription of the app until it is ended, and makes it again where its broker fails it.
    async fn keep(
        self: Arc<Self>,
        spec: SubscriptionSpec,
        recipient: Arc<dyn Recipient>,
        running: Running,
        tried: oneshot::Sender<()>,
    ) {
        let _ended = running.ended.drop_guard();
        let (stop, mut tried, mut wait) = (running.stop, Some(tried), WAITS.0);
        loop {
            let opened = tokio::select! {
                () = stop.cancelled() => return,
                opened = start::open((&self.parts, &self.ingress), &spec, Arc::clone(&recipient)) => opened,
            };
            let first = tried.take().map(drop).is_some();
            match opened {
                Ok(opened) => {
                    if !first {
                        tell_success(&spec);
                    }
                    wait = WAITS.0;
                    let (run, deliveries) = self.run(opened, stop.clone());
                    if run.follow(deliveries).await {
                        return;
                    }
                    tracing::error!(
                        target: TARGET,
                        "the broker of pubsub {} ended the subscription of topic {}", spec.pubsubname, spec.topic
                    );
                }
                Err(error) => {
                    tell_failure(&spec, &error, first);
                    if !error.may_pass() {
                        return;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => wait = wait.mul_f64(1.5).min(WAITS.1),
            }
        }
    }
}

/// In the target's words, which scripts wait for.
fn tell_topics(asked: &[SubscriptionSpec]) {
    let mut topics: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for spec in asked {
        topics.entry(&spec.pubsubname).or_default().push(&spec.topic);
    }
    for (pubsub, topics) in topics {
        let topics = topics.join(" ");
        tracing::info!(
            target: TARGET,
            "app is subscribed to the following topics: [[{topics}]] through pubsub={pubsub}"
        );
    }
}

fn tell_failure(SubscriptionSpec { pubsubname, topic, .. }: &SubscriptionSpec, error: &Error, first: bool) {
    if first {
        tracing::error!(target: TARGET, "Failed to start subscription for pubsub {pubsubname}, topic {topic}: {error}");
    } else {
        tracing::error!(
            target: TARGET,
            "Retry failed for subscription pubsub {pubsubname}, topic {topic}: {error}. Will retry."
        );
    }
}

fn tell_success(SubscriptionSpec { pubsubname, topic, .. }: &SubscriptionSpec) {
    tracing::info!(
        target: TARGET,
        "Successfully started subscription after retry for pubsub {pubsubname}, topic {topic}"
    );
}

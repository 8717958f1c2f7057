//! All processes of a run.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::app::App;
use super::sidecar::Sidecar;
use super::{Broker, Log, Run, describe};
use crate::schedule::{End, Part, Step};

pub(super) struct Fleet {
    pub(super) publisher: Sidecar,
    subscribers: Vec<Sidecar>,
    app: App,
    broker: Arc<Mutex<Broker>>,
    next_subscriber: usize,
    pub(super) slowest_start: Duration,
    pub(super) slowest_end: Duration,
}

impl Fleet {
    /// Starts everything in `folder` and waits until it is ready.
    pub(super) async fn start(run: &Run, folder: &Path, log: &Log) -> Option<Self> {
        let (kind, place) = (run.broker, folder.to_owned());
        let starting = tokio::task::spawn_blocking(move || Broker::start(kind, &place));
        let broker = starting.await.expect("the broker starts")?;
        let resources = folder.join("resources");
        std::fs::create_dir(&resources).expect("a folder can be made");
        std::fs::write(resources.join("mail.yaml"), broker.component()).expect("a file can be written");
        let app = App::start(run.manners, log).await;
        let subscriber = |program| Sidecar::new(program, "handles", Some(app.port()), folder);
        let mut fleet = Self {
            publisher: Sidecar::new(&run.publisher, "publishes", None, folder),
            subscribers: run.subscribers.iter().map(subscriber).collect(),
            app,
            broker: Arc::new(Mutex::new(broker)),
            next_subscriber: 0,
            slowest_start: Duration::ZERO,
            slowest_end: Duration::ZERO,
        };
        // The subscriptions come first: what is published before the first of them is not promised to anybody.
        for sidecar in fleet.subscribers.iter_mut().chain([&mut fleet.publisher]) {
            sidecar.launch();
            sidecar.ready().await;
        }
        // Ready does not mean subscribed, and there is no way to ask the reference.
        tokio::time::sleep(Duration::from_secs(2)).await;
        Some(fleet)
    }

    pub(super) async fn inflict(&mut self, step: &Step, log: &Log) {
        let began = log.now();
        let away = Duration::from_millis(step.away);
        match step.part {
            Part::Publisher => self.renew(step.end, away, None).await,
            Part::Subscriber => {
                self.next_subscriber = (self.next_subscriber + 1) % self.subscribers.len();
                self.renew(step.end, away, Some(self.next_subscriber)).await;
            }
            Part::App => {
                self.app.end(step.end).await;
                tokio::time::sleep(away).await;
                self.app.begin().await;
            }
            Part::Broker => {
                let broker = Arc::clone(&self.broker);
                let renewing = tokio::task::spawn_blocking(move || {
                    let mut broker = broker.lock().expect("no holder panics");
                    broker.kill();
                    std::thread::sleep(away);
                    broker.restart();
                });
                renewing.await.expect("the broker comes back");
            }
        }
        log.fault(describe(step), began);
    }

    async fn renew(&mut self, end: End, away: Duration, subscriber: Option<usize>) {
        let sidecar = subscriber.map_or(&mut self.publisher, |index| &mut self.subscribers[index]);
        let ended = sidecar.end(end).await;
        tokio::time::sleep(away).await;
        sidecar.launch();
        let started = sidecar.ready().await;
        self.slowest_start = self.slowest_start.max(started);
        if end == End::Asked {
            self.slowest_end = self.slowest_end.max(ended);
        }
    }

    /// Ends everything.
    pub(super) async fn stop(mut self) {
        for sidecar in self.subscribers.iter_mut().chain([&mut self.publisher]) {
            sidecar.end(End::Killed).await;
        }
        self.app.end(End::Killed).await;
        let broker = self.broker;
        tokio::task::spawn_blocking(move || drop(broker)).await.expect("the broker ends");
    }
}

//! The task that tells the server about messages that are held: that they are still worked on, or that they are given
//! back. One for a broker, started with its first subscription.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, cmd};
use tokio::time::{Instant, MissedTickBehavior};

use super::Broker;
use crate::link::Effect;
use crate::wire::Request;

/// How many messages are named in one command.
const AT_ONCE: usize = 500;
/// How many times a message is said to be worked on before it would be taken to be forgotten.
const SIGNS: u32 = 3;
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

impl Broker {
    /// Until the broker is closed; then everything that is still held is given back.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut signs = tokio::time::interval((self.options.forgotten() / SIGNS).max(SHORTEST_PAUSE));
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.held.dropped.notified() => {}
                _ = signs.tick() => self.say_alive().await,
                () = self.over.cancelled() => break,
            }
            self.give_back().await;
        }
        self.held.drop_all();
        self.give_back().await;
    }

    /// Nobody else is to take what is worked on here. One that was settled meanwhile is not pending, and stays so.
    async fn say_alive(&self) {
        for (stream, ids) in self.held.all() {
            for part in ids.chunks(AT_ONCE) {
                let mut claim = self.claim(&stream, part);
                claim.arg("JUSTID");
                // The next sign may get through, and a message that is delivered twice is better than one that is lost.
                if let Err(failure) = self.link.ask(Request::Command(&claim), Effect::Read).await {
                    let (name, error) = (&self.name, failure.into_error("keep messages that are worked on"));
                    tracing::debug!("component {name}: {error}");
                }
            }
        }
    }

    /// What was dropped can be taken at once, by anybody, and counts as if it had not been delivered.
    async fn give_back(&self) {
        let mut parts: BTreeMap<(Arc<str>, u64), Vec<String>> = BTreeMap::new();
        for one in self.held.take_dropped() {
            parts.entry((one.stream, one.deliveries)).or_default().push(one.id);
        }
        let idle = u64::try_from(self.options.forgotten().as_millis()).unwrap_or(u64::MAX);
        for ((stream, deliveries), ids) in parts {
            for part in ids.chunks(AT_ONCE) {
                let mut claim = self.claim(&stream, part);
                claim.arg("IDLE").arg(idle).arg("RETRYCOUNT").arg(deliveries.saturating_sub(1)).arg("JUSTID");
                if let Err(failure) = self.link.ask(Request::Command(&claim), Effect::Read).await {
                    let (name, error) = (&self.name, failure.into_error("give messages back"));
                    tracing::warn!("component {name}: {error}: they are delivered again later");
                }
            }
            self.held.release(&stream, &ids);
            self.held.rest_until(&stream, Instant::now());
        }
    }

    /// Messages are this group's consumer's, however long nobody has claimed them.
    pub(super) fn claim(&self, stream: &str, ids: &[String]) -> Cmd {
        let mut claim = cmd("XCLAIM");
        claim.arg(stream).arg(&*self.options.consumer).arg(&*self.options.consumer).arg(0).arg(ids);
        claim
    }
}

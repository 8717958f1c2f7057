//! The part of a subscription that takes what is pending and was forgotten: by a consumer that died, by a handler that
//! failed, by a subscriber that ended. It looks when the subscription starts, then at each interval, and when something
//! that rests is due. Works on every version that has streams: `XAUTOCLAIM` is younger.

use std::time::Duration;

use redis::cmd;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::entry::{self, Pending};
use super::options::Redelivery;
use super::subscription::{Fetched, Subscription};
use super::unexpected;
use crate::failure::Failure;
use crate::link::Effect;

/// How many rows of the list of what is pending are asked for at once.
const PAGE: usize = 200;
/// How long the end of a subscription waits for a look under way.
const LAST_LOOK: Duration = Duration::from_millis(300);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

impl Subscription {
    pub(super) async fn reclaim_on(&self, agains: mpsc::Sender<Fetched>) {
        let Some(redelivery) = self.broker.options.redelivery else { return };
        let mut is_well = true;
        loop {
            self.broker.held.forget_due(&self.stream);
            let looking = self.reclaim(redelivery, &agains);
            tokio::pin!(looking);
            let looked = tokio::select! {
                looked = &mut looking => looked,
                () = self.ended().cancelled() => return drop(tokio::time::timeout(LAST_LOOK, looking).await),
            };
            let pause = match looked {
                Ok(first_due) => {
                    is_well = true;
                    first_due.min(redelivery.every)
                }
                Err(failure) => {
                    // Reading makes the group again if it is gone, and says so.
                    if std::mem::replace(&mut is_well, false) && failure.code() != Some("NOGROUP") {
                        let (name, error) = (&self.broker.name, failure.into_error("look for pending messages"));
                        tracing::warn!("component {name}: {error}: topic {}", self.stream);
                    }
                    redelivery.every
                }
            };
            self.pause_until_due(Instant::now() + pause.max(SHORTEST_PAUSE)).await;
            if self.ended().is_cancelled() {
                return;
            }
        }
    }

    /// Until the next look, or earlier if something that rests is due earlier.
    async fn pause_until_due(&self, next_look: Instant) {
        loop {
            let noted = self.broker.held.resting.notified();
            tokio::pin!(noted);
            noted.as_mut().enable();
            let until = self.broker.held.due(&self.stream).map_or(next_look, |due| due.min(next_look));
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = noted => {}
                () = self.ended().cancelled() => return,
            }
        }
    }

    /// Takes what is due; answers how soon more will be.
    async fn reclaim(&self, redelivery: Redelivery, agains: &mpsc::Sender<Fetched>) -> Result<Duration, Failure> {
        let (mut start, mut soonest) = ("-".to_owned(), Duration::MAX);
        loop {
            let page = self.pending(&start).await?;
            let is_last = page.len() < PAGE;
            if let Some(last) = page.last() {
                start = entry::behind(&last.id);
            }
            let mut due = Vec::new();
            for row in page {
                if self.broker.held.has(&self.stream, &row.id) {
                    continue;
                }
                match redelivery.idle.checked_sub(row.idle) {
                    None | Some(Duration::ZERO) => due.push(row),
                    Some(rest) => soonest = soonest.min(rest),
                }
            }
            let mut due = &due[..];
            while !due.is_empty() {
                let Ok(room) = agains.reserve().await else { return Ok(soonest) };
                drop(room);
                // Only this adds to it, so the room does not shrink.
                let (now, later) = due.split_at(agains.capacity().clamp(1, due.len()));
                self.take(redelivery, now, agains).await?;
                due = later;
            }
            if is_last {
                return Ok(soonest);
            }
        }
    }

    async fn pending(&self, start: &str) -> Result<Vec<Pending>, Failure> {
        let mut pending = cmd("XPENDING");
        pending.arg(&*self.stream).arg(&*self.broker.options.consumer).arg(start).arg("+").arg(PAGE);
        entry::pending(self.ask(&pending, Effect::Read).await?).ok_or_else(unexpected)
    }

    /// Takes messages, unless somebody else was quicker.
    async fn take(
        &self,
        redelivery: Redelivery,
        due: &[Pending],
        agains: &mpsc::Sender<Fetched>,
    ) -> Result<(), Failure> {
        let consumer = &*self.broker.options.consumer;
        let idle = u64::try_from(redelivery.idle.as_millis()).unwrap_or(u64::MAX);
        let mut claim = cmd("XCLAIM");
        claim.arg(&*self.stream).arg(consumer).arg(consumer).arg(idle);
        for row in due {
            claim.arg(&row.id);
        }
        let entries = entry::entries(self.ask(&claim, Effect::Write).await?).ok_or_else(unexpected)?;
        let missing: Vec<&Pending> = due.iter().filter(|row| entries.iter().all(|entry| entry.id != row.id)).collect();
        for entry in entries {
            let before = due.iter().find(|row| row.id == entry.id).map_or(0, |row| row.deliveries);
            if let Some(fetched) = self.fetched(entry, before.saturating_add(1)) {
                // One that finds nobody there is given back.
                let _ = agains.try_send(fetched);
            }
        }
        self.forget_deleted(missing).await
    }

    /// Of what could not be taken, what is no longer in the stream can never be handled: it is acknowledged, and told.
    async fn forget_deleted(&self, missing: Vec<&Pending>) -> Result<(), Failure> {
        let mut deleted = 0;
        for row in missing {
            let mut range = cmd("XRANGE");
            range.arg(&*self.stream).arg(&row.id).arg(&row.id).arg("COUNT").arg(1);
            let found = entry::entries(self.ask(&range, Effect::Read).await?).ok_or_else(unexpected)?;
            if found.is_empty() {
                let mut acknowledge = cmd("XACK");
                acknowledge.arg(&*self.stream).arg(&*self.broker.options.consumer).arg(&row.id);
                self.ask(&acknowledge, Effect::Read).await?;
                deleted += 1;
            }
        }
        if deleted > 0 {
            tracing::warn!(
                "component {}: {deleted} messages of topic {} were trimmed or deleted before they were handled",
                self.broker.name,
                self.stream
            );
        }
        Ok(())
    }
}

//! `configuration.embedded`: values that `trilby hub config` writes. A subscription reads, watches from there on, and does both again
//! when the connection broke, so that the last value arrives. Called through `loaded`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use component::configuration::{CHANGES_WAITING, Changes, ConfigurationStore, Item, Items, Request};
use component::{Backend, CallContext, Constructing, Error, Setup, Tasks};
use hubclient::Watching;
use hubclient::layout::Area;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::watch;
use wire::hub::{KeyValue, Keys, Range, event, keys};

use crate::connection::{Hub, failed, one};

/// The wait before a subscription that broke for another reason than a lost connection is made again.
const PAUSE: Duration = Duration::from_millis(200);

struct HubConfiguration {
    hub: Arc<Hub>,
    tasks: Tasks,
    closed: watch::Sender<bool>,
}

/// Makes the store.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn ConfigurationStore> {
    Box::pin(async move {
        let tasks = setup.host.tasks.clone();
        let hub = Arc::new(Hub::open(setup, Area::Configuration).await?);
        let store: Arc<dyn ConfigurationStore> =
            Arc::new(HubConfiguration { hub, tasks, closed: watch::Sender::new(false) });
        Ok(store)
    })
}

#[async_trait]
impl Backend for HubConfiguration {
    async fn close(&self) -> Result<(), Error> {
        self.closed.send_replace(true);
        self.hub.client.close().await;
        Ok(())
    }
}

#[async_trait]
impl ConfigurationStore for HubConfiguration {
    async fn get(&self, _: &CallContext, request: &Request) -> Result<Items, Error> {
        if request.keys.is_empty() {
            return read_all(&self.hub).await.map(|(items, _)| items);
        }
        let ranges = request.keys.iter().map(|key| one(self.hub.full(key))).collect();
        let answers = self.hub.client.read(ranges).await.map_err(failed)?;
        let entries = answers.into_iter().flat_map(|answer| answer.entries);
        Ok(entries.filter_map(|entry| item(&self.hub, &entry)).collect())
    }

    async fn subscribe(&self, _: &CallContext, request: &Request) -> Result<Changes, Error> {
        let (sender, changes) = channel(CHANGES_WAITING);
        let mut subscription = Subscription {
            hub: Arc::clone(&self.hub),
            keys: request.keys.iter().cloned().collect(),
            known: BTreeMap::new(),
            sender,
        };
        // What is there already is no change.
        let (_, watching) = subscription.begin().await?;
        let mut closed = self.closed.subscribe();
        self.tasks.spawn("configuration of the hub", async move {
            tokio::select! {
                () = subscription.run(watching) => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
        Ok(changes)
    }
}

fn item(hub: &Hub, entry: &KeyValue) -> Option<(String, Item)> {
    let value = String::from_utf8_lossy(&entry.value).into_owned();
    let item = Item { value, version: entry.mod_revision.to_string(), ..Item::default() };
    Some((hub.own(&entry.key)?, item))
}

fn all_keys(hub: &Hub) -> Keys {
    Keys { keys: Some(keys::Keys::Prefix(Bytes::copy_from_slice(hub.prefix.as_bytes()))) }
}

/// All values, and the revision at which they were read.
async fn read_all(hub: &Hub) -> Result<(Items, u64), Error> {
    let (mut items, mut behind, mut revision) = (Items::new(), None, None);
    loop {
        let range = Range { keys: Some(all_keys(hub)), behind, ..Range::default() };
        let answer = hub.client.read(vec![range]).await.map_err(failed)?.into_iter().next().unwrap_or_default();
        // Pages are of different moments; what changed between them comes again with the changes since the first.
        let read_at = *revision.get_or_insert(answer.revision);
        items.extend(answer.entries.iter().filter_map(|entry| item(hub, entry)));
        behind = answer.entries.last().map(|entry| entry.key.clone());
        if !answer.more {
            return Ok((items, read_at));
        }
    }
}

/// One subscription.
struct Subscription {
    hub: Arc<Hub>,
    /// Empty for all.
    keys: BTreeSet<String>,
    /// The versions that the subscriber knows.
    known: BTreeMap<String, String>,
    sender: Sender<Items>,
}

impl Subscription {
    fn concerns(&self, key: &str) -> bool {
        self.keys.is_empty() || self.keys.contains(key)
    }

    /// Reads the values and watches from there on; what differs from what is known is returned, and known from now on.
    async fn begin(&mut self) -> Result<(Items, Watching), Error> {
        let (mut items, revision) = read_all(&self.hub).await?;
        let watching = self.hub.client.watch(all_keys(&self.hub), Some(revision + 1)).await.map_err(failed)?;
        items.retain(|key, _| self.concerns(key));
        let gone: Vec<String> = self.known.keys().filter(|key| !items.contains_key(*key)).cloned().collect();
        let versions = items.iter().map(|(key, item)| (key.clone(), item.version.clone())).collect();
        let known = std::mem::replace(&mut self.known, versions);
        items.retain(|key, item| known.get(key) != Some(&item.version));
        items.extend(gone.into_iter().map(|key| (key, Item::default())));
        Ok((items, watching))
    }

    async fn run(mut self, mut watching: Watching) {
        loop {
            while let Ok(Some(response)) = self.next(&mut watching).await {
                let changed = response.events.into_iter().filter_map(|event| event.event).collect::<Vec<_>>();
                let items = changed.into_iter().filter_map(|event| self.take(event)).collect();
                if !self.tell(items).await {
                    return;
                }
            }
            let Some(begun) = self.begin_again().await else { return };
            watching = begun.1;
            if !self.tell(begun.0).await {
                return;
            }
        }
    }

    async fn next(&self, watching: &mut Watching) -> Result<Option<wire::hub::WatchResponse>, hubclient::Error> {
        tokio::select! {
            () = self.sender.closed() => Ok(None),
            next = watching.next() => next,
        }
    }

    /// Tries until there is a hub again; `None` when the subscriber has gone.
    async fn begin_again(&mut self) -> Option<(Items, Watching)> {
        loop {
            let sender = self.sender.clone();
            let begun = tokio::select! {
                () = sender.closed() => return None,
                begun = self.begin() => begun,
            };
            match begun {
                Ok(begun) => return Some(begun),
                Err(error) => tracing::debug!(target: "dapr.contrib", "subscribing to the hub again: {error}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn take(&mut self, event: event::Event) -> Option<(String, Item)> {
        let (key, item) = match event {
            event::Event::Put(entry) => item(&self.hub, &entry)?,
            event::Event::Removed(removed) => (self.hub.own(&removed.key)?, Item::default()),
        };
        if !self.concerns(&key) {
            return None;
        }
        let before = match item.version.as_str() {
            "" => self.known.remove(&key),
            version => self.known.insert(key.clone(), version.to_owned()),
        };
        // The first changes after reading may have been read.
        (before.unwrap_or_default() != item.version).then_some((key, item))
    }

    /// Whether the subscriber is still there.
    async fn tell(&self, items: Items) -> bool {
        if items.is_empty() {
            return !self.sender.is_closed();
        }
        self.sender.send(items).await.is_ok()
    }
}

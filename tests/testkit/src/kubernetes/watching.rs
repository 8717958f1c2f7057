//! Open watches, and what can happen to them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::Shared;
use crate::app::{BoxedBody, channel_body};

/// Counts what was wanted; a watch looks at what has grown since it was opened.
#[derive(Clone, Copy, Default, PartialEq)]
struct Wanted {
    wakes: u64,
    ends: u64,
    cuts: u64,
    expiries: u64,
    bookmarks: u64,
}

pub(super) struct Watches {
    wanted: watch::Sender<Wanted>,
}

impl Default for Watches {
    fn default() -> Self {
        Self { wanted: watch::Sender::new(Wanted::default()) }
    }
}

impl Watches {
    pub(super) fn wake(&self) {
        self.wanted.send_modify(|wanted| wanted.wakes += 1);
    }

    pub(super) fn end(&self) {
        self.wanted.send_modify(|wanted| wanted.ends += 1);
    }

    pub(super) fn cut(&self) {
        self.wanted.send_modify(|wanted| wanted.cuts += 1);
    }

    pub(super) fn expire(&self) {
        self.wanted.send_modify(|wanted| wanted.expiries += 1);
    }

    pub(super) fn bookmark(&self) {
        self.wanted.send_modify(|wanted| wanted.bookmarks += 1);
    }
}

/// A watch to be opened.
pub(super) struct Opening {
    pub(super) collection: String,
    pub(super) namespace: Option<String>,
    /// Without it, the watch begins with all objects that are there.
    pub(super) revision: Option<u64>,
}

impl Opening {
    pub(super) fn open(self, shared: Arc<Shared>) -> BoxedBody {
        let (sender, body) = channel_body();
        crate::runtime::spawn(async move {
            if let Some(Err(reason)) = self.run(&shared, &sender).await {
                let _ = sender.send(Err(reason)).await;
            }
        });
        body
    }

    /// Sends events until the end; `Some(Err)` when the connection is to break, `None` when the client is gone.
    async fn run(
        self,
        shared: &Shared,
        sender: &mpsc::Sender<Result<Bytes, &'static str>>,
    ) -> Option<Result<(), &'static str>> {
        let mut changes = shared.watches.wanted.subscribe();
        let mut seen = *changes.borrow_and_update();
        let namespace = self.namespace.as_deref();
        let (mut events, mut reached) = {
            let objects = shared.objects();
            let events = match self.revision {
                Some(revision) => objects.since(revision, &self.collection, namespace),
                None => added(objects.list(&self.collection, namespace)),
            };
            (events, objects.revision)
        };
        loop {
            for event in events.drain(..) {
                // As the target's own double: nothing between events.
                sender.send(Ok(event.to_string().into())).await.ok()?;
            }
            tokio::select! {
                () = sender.closed() => return None,
                changed = changes.changed() => changed.ok()?,
            }
            let wanted = *changes.borrow_and_update();
            {
                let objects = shared.objects();
                events = objects.since(reached, &self.collection, namespace);
                reached = objects.revision;
            }
            if wanted.bookmarks > seen.bookmarks {
                let metadata = json!({"resourceVersion": reached.to_string()});
                events.push(json!({"type": "BOOKMARK", "object": {"metadata": metadata}}));
            }
            if wanted.expiries > seen.expiries {
                let status =
                    json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"});
                events.push(json!({"type": "ERROR", "object": status}));
            }
            if wanted.cuts > seen.cuts {
                return Some(Err("cut"));
            }
            if wanted.ends > seen.ends {
                return Some(Ok(()));
            }
            seen = wanted;
        }
    }
}

fn added(objects: Vec<Value>) -> Vec<Value> {
    objects.into_iter().map(|object| json!({"type": "ADDED", "object": object})).collect()
}

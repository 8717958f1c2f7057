//! `lock.embedded`: a lock is a key that ends by itself, by the hub's clock; its value is the owner. Called through `loaded`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use component::lock::{LockRequest, LockStore, UnlockRequest, Unlocked};
use component::{Backend, CallContext, Constructing, Error, Setup};
use hubclient::layout::Area;
use wire::hub::operation::Operation;
use wire::hub::{Compare, Put, Relation, Transaction, compare, outcome, put};

use crate::connection::{Hub, milliseconds, one, operation, removal};

struct HubLocks {
    hub: Hub,
}

/// Makes the store.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn LockStore> {
    Box::pin(async move {
        let store: Arc<dyn LockStore> = Arc::new(HubLocks { hub: Hub::open(setup, Area::Locks).await? });
        Ok(store)
    })
}

#[async_trait]
impl Backend for HubLocks {
    async fn close(&self) -> Result<(), Error> {
        self.hub.client.close().await;
        Ok(())
    }
}

#[async_trait]
impl LockStore for HubLocks {
    async fn try_lock(&self, _: &CallContext, request: &LockRequest) -> Result<bool, Error> {
        let key = self.hub.full(&request.resource);
        let is_free =
            Compare { key: key.clone(), relation: Relation::Equal.into(), subject: Some(compare::Subject::Version(0)) };
        let taken = Put {
            key,
            value: Bytes::copy_from_slice(request.owner.as_bytes()),
            ends: Some(put::Ends::Life(milliseconds(request.expiry))),
        };
        let transaction = Transaction {
            compares: vec![is_free],
            then: vec![operation(Operation::Put(taken))],
            otherwise: Vec::new(),
        };
        self.hub.transact(transaction).await.map(|answer| answer.succeeded)
    }

    async fn unlock(&self, _: &CallContext, request: &UnlockRequest) -> Result<Unlocked, Error> {
        let key = self.hub.full(&request.resource);
        let is_ours = Compare {
            key: key.clone(),
            relation: Relation::Equal.into(),
            subject: Some(compare::Subject::Value(Bytes::copy_from_slice(request.owner.as_bytes()))),
        };
        let transaction = Transaction {
            compares: vec![is_ours],
            then: vec![removal(key.clone())],
            otherwise: vec![operation(Operation::Range(one(key)))],
        };
        let answer = self.hub.transact(transaction).await?;
        if answer.succeeded {
            return Ok(Unlocked::Success);
        }
        let found = answer.outcomes.into_iter().filter_map(|outcome| outcome.outcome).any(|outcome| match outcome {
            outcome::Outcome::Range(answer) => !answer.entries.is_empty(),
            outcome::Outcome::Put(_) | outcome::Outcome::Deleted(_) => false,
        });
        Ok(if found { Unlocked::BelongsToOthers } else { Unlocked::DoesNotExist })
    }
}

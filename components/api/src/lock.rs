//! What a lock store offers. Implemented by backends, called through `loaded` by the lock block. Names arrive complete: a
//! store adds no prefix.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Backend, CallContext, Error};

/// Asks for a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockRequest {
    /// What is locked.
    pub resource: String,
    /// Who holds it.
    pub owner: String,
    /// How long it is held at most, by the store's clock.
    pub expiry: Duration,
}

/// Gives a lock back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnlockRequest {
    /// What was locked.
    pub resource: String,
    /// Who held it.
    pub owner: String,
}

/// What came of giving a lock back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unlocked {
    /// It is free.
    Success,
    /// Nobody held it (any more).
    DoesNotExist,
    /// Somebody else holds it.
    BelongsToOthers,
}

/// A store of locks that end by themselves.
#[async_trait]
pub trait LockStore: Backend {
    /// Takes the lock if nobody holds it, and says whether it did. Who holds it already is refused too.
    async fn try_lock(&self, context: &CallContext, request: &LockRequest) -> Result<bool, Error>;

    /// Gives the lock back if the owner holds it.
    async fn unlock(&self, context: &CallContext, request: &UnlockRequest) -> Result<Unlocked, Error>;
}

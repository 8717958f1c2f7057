//! What a configuration store offers. Implemented by backends, called through `loaded` by the configuration block.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::{Backend, CallContext, Error, Metadata};

/// One value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The value; empty also when the key was removed, as in the target.
    pub value: String,
    /// Its version, empty if it has none.
    pub version: String,
    /// From the store.
    pub metadata: Metadata,
}

/// Values by key.
pub type Items = BTreeMap<String, Item>;

/// Asks for values, once or whenever they change.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The keys; none means all.
    pub keys: Vec<String>,
    /// For the store.
    pub metadata: Metadata,
}

/// What changed, as a bounded stream that the block pulls. Dropping it ends the subscription; the backend notices at the
/// closed channel. It ends by itself only when the backend is closed or can never go on.
pub type Changes = mpsc::Receiver<Items>;

/// How many changes may wait in a [`Changes`]. A backend with more to tell may merge values of the same key, the last one
/// staying; it must not drop a last value.
pub const CHANGES_WAITING: usize = 64;

/// A store of configuration.
#[async_trait]
pub trait ConfigurationStore: Backend {
    /// The values of the keys; a key that is not there is left out.
    async fn get(&self, context: &CallContext, request: &Request) -> Result<Items, Error>;

    /// Changes of the keys from now on: an answer means that none is missed any more. When the connection to the server
    /// was lost, the backend subscribes again and delivers the last values that changed meanwhile.
    async fn subscribe(&self, context: &CallContext, request: &Request) -> Result<Changes, Error>;
}

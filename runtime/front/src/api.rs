//! What the doors open to: the blocks of one sidecar.

use std::sync::Arc;

use blocks::configuration::Configuration;
use blocks::conversation::Conversations;
use blocks::crypto::Crypto;
use blocks::health::Readiness;
use blocks::invoke::Invoker;
use blocks::lock::Locks;
use blocks::metadata::Metadata;
use blocks::pubsub::PubSub;
use blocks::secrets::Secrets;
use blocks::state::State;
use blocks::subscriptions::Subscriptions;
use service::{Shutdown, Tasks};

/// How much one request may carry.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request body, and of a gRPC message (`--max-body-size`).
    pub max_body: u64,
}

/// The blocks behind the doors.
pub struct Api {
    /// The app's id.
    pub app_id: String,
    /// Service invocation.
    pub invoker: Invoker,
    /// State stores.
    pub state: State,
    /// Publishing.
    pub pubsub: PubSub,
    /// Subscriptions; streams add theirs.
    pub subscriptions: Subscriptions,
    /// Secret stores.
    pub secrets: Secrets,
    /// Configuration stores.
    pub configuration: Configuration,
    /// Lock stores.
    pub locks: Locks,
    /// Language models.
    pub conversations: Conversations,
    /// Providers of cryptography.
    pub crypto: Crypto,
    /// What the sidecar says of itself.
    pub metadata: Metadata,
    /// Whether everything is ready.
    pub readiness: Readiness,
    /// Whether calls out of the app can be served; true before the app itself is reachable.
    pub outbound: Readiness,
    /// Stops the sidecar gracefully.
    pub shutdown: Shutdown,
    /// Ends the process at once, with exit code 1.
    pub force_shutdown: Arc<dyn Fn() + Send + Sync>,
    /// Where work beside a request runs.
    pub tasks: Tasks,
    /// Limits.
    pub limits: Limits,
}

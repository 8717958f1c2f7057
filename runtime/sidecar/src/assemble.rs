//! What the doors call, put together from the parts of a sidecar. Called once, at start.

use std::sync::Arc;

use app::Channel;
use blocks::configuration::Configuration as ConfigurationApi;
use blocks::conversation::Conversations;
use blocks::crypto::{Crypto, SUBTLE_FEATURE};
use blocks::health::Readiness;
use blocks::invoke::Invoker;
use blocks::lock::Locks;
use blocks::metadata::Metadata;
use blocks::pubsub::PubSub;
use blocks::secrets::Secrets;
use blocks::state::State;
use blocks::subscriptions::Subscriptions;
use front::{Api, Limits};
use loaded::LoadedComponents;
use service::Shutdown;
use telemetry::Metrics;
use telemetry::metrics::Operations;

use crate::run::Role;
use crate::settings;

/// The parts that exist before the API does.
pub(crate) struct Foundations<'a> {
    pub(crate) role: &'a Role,
    pub(crate) invoker: Invoker,
    pub(crate) components: LoadedComponents,
    pub(crate) channel: Option<Channel>,
    pub(crate) messages: (PubSub, Subscriptions),
    pub(crate) metrics: &'a Metrics,
    pub(crate) metadata: Metadata,
    /// Of the sidecar, and of what apps may already ask while their own app is waited for.
    pub(crate) readiness: (Readiness, Readiness),
    pub(crate) intake: Shutdown,
}

/// Every API over these parts.
pub(crate) fn api(parts: Foundations<'_>) -> Arc<Api> {
    let Foundations { role, invoker, components, channel, messages, metrics, metadata, readiness, intake } = parts;
    let (options, app) = (&role.options, role.options.app_id.as_str());
    let has_subtle = role.configuration.enabled_features().contains(&SUBTLE_FEATURE);
    let (pubsub, subscriptions) = messages;
    let (readiness, outbound) = readiness;
    Arc::new(Api {
        app_id: options.app_id.clone(),
        invoker,
        state: State::new(app.into(), options.namespace.as_str().into(), components.clone())
            .counted(Operations::state(metrics)),
        pubsub,
        subscriptions,
        secrets: Secrets::new(components.clone(), settings::secret_scopes(&role.configuration))
            .counted(Operations::secrets(metrics)),
        configuration: ConfigurationApi::new(components.clone(), channel, role.tasks.clone(), intake)
            .counted(Operations::configuration(metrics)),
        conversations: Conversations::new(components.clone()).counted(Operations::conversation(metrics)),
        locks: Locks::new(app.into(), components.clone()),
        crypto: Crypto::new(components, has_subtle).counted(Operations::crypto(metrics)),
        metadata,
        readiness,
        outbound,
        shutdown: role.shutdown.clone(),
        force_shutdown: Arc::clone(&role.force),
        tasks: role.tasks.clone(),
        limits: Limits { max_body: options.max_body_bytes.unwrap_or(u64::MAX) },
    })
}

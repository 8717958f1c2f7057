//! Publishing and subscribing of a sidecar, put together. Called by `run`: once to make them, once when the app listens.

use app::{Channel, Health};
use blocks::pubsub::PubSub;
use blocks::subscriptions::{Parts, Subscriptions};
use loaded::LoadedComponents;
use resources::{Configuration, Resource as _, Subscription};
use service::{Environment, Shutdown, Tasks};
use telemetry::Metrics;

use crate::{Options, settings};

/// What a sidecar has that messages need.
pub(crate) struct Surroundings<'a> {
    pub(crate) options: &'a Options,
    pub(crate) environment: &'a Environment,
    pub(crate) configuration: &'a Configuration,
    pub(crate) components: &'a LoadedComponents,
    pub(crate) metrics: &'a Metrics,
    pub(crate) tasks: &'a Tasks,
}

/// Publishing, and subscriptions of which none runs yet.
pub(crate) fn prepare(
    surroundings: &Surroundings<'_>,
    declared: Vec<Subscription>,
    channel: Option<Channel>,
) -> (PubSub, Subscriptions) {
    let &Surroundings { options, environment, configuration, components, metrics, tasks } = surroundings;
    let (app_id, namespace) = (options.app_id.as_str().into(), settings::namespace(environment).into());
    let publisher =
        PubSub::new(std::sync::Arc::clone(&app_id), std::sync::Arc::clone(&namespace), components.clone(), metrics);
    tell(&declared, components);
    let subscriptions = Subscriptions::new(Parts {
        app_id,
        namespace,
        components: components.clone(),
        publisher: publisher.clone(),
        channel,
        asks_app: !options.app.skip_subscribe,
        declared,
        metrics: metrics.clone(),
        tracing: settings::tracing(configuration),
        tasks: tasks.clone(),
        grace: options.graceful_shutdown,
    });
    (publisher, subscriptions)
}

/// What was found, and what of it has no component here.
fn tell(declared: &[Subscription], components: &LoadedComponents) {
    tracing::info!(target: "dapr.runtime", "Loading Declarative Subscriptions…");
    for subscription in declared {
        let (name, pubsub) = (subscription.name(), &subscription.spec.pubsubname);
        tracing::info!(target: "dapr.runtime", "Found Subscription: {name}");
        if components.pub_sub(pubsub).is_none() {
            tracing::warn!(
                target: "dapr.runtime",
                "Subscription {name} has no effect: there is no pub/sub component {pubsub:?}"
            );
        }
    }
}

/// Starts what the app has: at once, or when its probes find it well, and again after each time it was not.
pub(crate) async fn start(
    subscriptions: &Subscriptions,
    (health, probed): (Health, bool),
    tasks: &Tasks,
    stop: &Shutdown,
) {
    if probed {
        tasks.spawn("subscriptions", subscriptions.clone().follow(health, stop.clone()));
        return;
    }
    tokio::select! {
        () = stop.requested() => {}
        () = subscriptions.start_app() => {}
    }
}

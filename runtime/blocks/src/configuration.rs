//! What the configuration API means, whatever door it comes through: values, and subscriptions to their changes. Called by
//! `front`, which pulls a subscription or hands it to the app here. It knows no status codes; the store is never held
//! between two calls, so that it can be closed while there are subscriptions.

mod deliver;
mod subscription;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::Channel;
use component::configuration::{Changes, ConfigurationStore};
use component::{CallContext, Family};
use loaded::{LoadedComponents, Pinned};
use service::{Shutdown, Tasks};
use telemetry::metrics::Operations;
use tokio_util::sync::CancellationToken;

pub use component::configuration::{Item, Items, Request};
pub use subscription::{Change, Subscription};

/// How many subscriptions a sidecar has at the same time. The target has no limit.
const MAX_SUBSCRIPTIONS: usize = 1024;

/// The configuration API of one app. A clone is the same API with the same subscriptions.
#[derive(Clone)]
pub struct Configuration {
    components: LoadedComponents,
    channel: Option<Channel>,
    tasks: Tasks,
    /// Ends every subscription.
    intake: Shutdown,
    running: Arc<Mutex<HashMap<String, Running>>>,
    counts: Operations,
}

/// A subscription as others see it.
struct Running {
    store: String,
    stop: CancellationToken,
}

/// Why a request of the configuration API failed. Its text is the message the target answers with.
#[derive(Debug)]
pub enum Error {
    /// There is no configuration store at all.
    NotConfigured,
    /// There is no configuration store of this name.
    NotFound {
        /// The store asked for.
        store: String,
    },
    /// Reading failed.
    Get {
        /// The store.
        store: String,
        /// The keys asked for.
        keys: Vec<String>,
        /// Why.
        source: component::Error,
    },
    /// Subscribing failed.
    Subscribe {
        /// The store.
        store: String,
        /// The keys asked for.
        keys: Vec<String>,
        /// Why.
        message: String,
    },
    /// Changes were to be sent to the app, and there is none.
    NoApp,
    /// There is no such subscription.
    Unsubscribe {
        /// Its id.
        id: String,
        /// Why, in the words of the target's service or of its stores.
        message: String,
    },
}

impl Configuration {
    /// The configuration API over `components`. Changes go to the app through `channel`, in tasks of `tasks`; every
    /// subscription ends with `intake`.
    pub fn new(components: LoadedComponents, channel: Option<Channel>, tasks: Tasks, intake: Shutdown) -> Self {
        Self { components, channel, tasks, intake, running: Arc::default(), counts: Operations::default() }
    }

    /// Counts what stores are asked.
    #[must_use]
    pub fn counted(self, counts: Operations) -> Self {
        Self { counts, ..self }
    }

    /// The values of keys, all if there are none.
    ///
    /// # Errors
    /// `NotConfigured`, `NotFound`, `Get`.
    pub async fn get(&self, context: &CallContext, store: &str, request: Request) -> Result<Items, Error> {
        let pinned = self.store(store)?;
        let got = pinned.call(context, "get configuration", |store| store.get(context, &request));
        let got = self.counts.watch(store, "get", got).await;
        got.map_err(|source| Error::Get { store: store.to_owned(), keys: request.keys, source })
    }

    /// Subscribes to changes from now on, for the caller to pull.
    ///
    /// # Errors
    /// `NotConfigured`, `NotFound`, `Subscribe`.
    pub async fn subscribe(&self, context: &CallContext, store: &str, request: Request) -> Result<Subscription, Error> {
        let pinned = self.store(store)?;
        let failed =
            |message: String| Error::Subscribe { store: store.to_owned(), keys: request.keys.clone(), message };
        if self.lock().len() >= MAX_SUBSCRIPTIONS {
            return Err(failed(format!("there are {MAX_SUBSCRIPTIONS} subscriptions already")));
        }
        let asked = pinned.call(context, "subscribe configuration", |store| store.subscribe(context, &request));
        let asked: Result<Changes, component::Error> = self.counts.watch(store, "subscribe", asked).await;
        let changes = asked.map_err(|source| failed(source.to_string()))?;
        let (id, stop) = (uuid::Uuid::new_v4().to_string(), CancellationToken::new());
        self.lock().insert(id.clone(), Running { store: store.to_owned(), stop: stop.clone() });
        Ok(Subscription::new(id, changes, self.clone(), stop))
    }

    /// Subscribes to changes from now on and sends them to the app; answers the id. The subscription outlives the request.
    ///
    /// # Errors
    /// `NotConfigured`, `NotFound`, `NoApp`, `Subscribe`.
    pub async fn subscribe_app(&self, context: &CallContext, store: &str, request: Request) -> Result<String, Error> {
        self.store(store)?;
        let Some(channel) = self.channel.clone() else { return Err(Error::NoApp) };
        let subscription = self.subscribe(context, store, request).await?;
        let id = subscription.id().to_owned();
        let delivering = deliver::to_app(subscription, store.to_owned(), channel);
        self.tasks.spawn("configuration changes", delivering);
        Ok(id)
    }

    /// Ends a subscription, whoever pulls it.
    ///
    /// # Errors
    /// `Unsubscribe`.
    pub fn unsubscribe(&self, id: &str) -> Result<(), Error> {
        match self.lock().remove(id) {
            Some(running) => running.stop.cancel(),
            None => {
                let message = "subscription does not exist".to_owned();
                return Err(Error::Unsubscribe { id: id.to_owned(), message });
            }
        }
        Ok(())
    }

    /// Ends a subscription to one store.
    ///
    /// # Errors
    /// `NotConfigured`, `NotFound`, `Unsubscribe`.
    pub fn unsubscribe_from(&self, store: &str, id: &str) -> Result<(), Error> {
        self.store(store)?;
        if self.lock().get(id).is_none_or(|running| running.store != store) {
            let message = format!("subscription with id {id} does not exist");
            return Err(Error::Unsubscribe { id: id.to_owned(), message });
        }
        self.unsubscribe(id)
    }

    fn store(&self, name: &str) -> Result<Pinned<dyn ConfigurationStore>, Error> {
        if !self.components.has_any(Family::Configuration) {
            return Err(Error::NotConfigured);
        }
        let pinned = self.components.configuration_store(name).and_then(|store| store.pin().ok());
        pinned.ok_or_else(|| Error::NotFound { store: name.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value as the target writes it in JSON: what is empty is left out.
pub fn json(item: &Item) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (name, value) in [("value", &item.value), ("version", &item.version)] {
        if !value.is_empty() {
            object.insert(name.to_owned(), value.as_str().into());
        }
    }
    if !item.metadata.is_empty() {
        let metadata = item.metadata.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        object.insert("metadata".to_owned(), serde_json::Value::Object(metadata.collect()));
    }
    object.into()
}

impl Error {
    /// Keys as the target writes a list of them: `[a b]`.
    pub fn list(keys: &[String]) -> String {
        format!("[{}]", keys.join(" "))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotConfigured => formatter.write_str("configuration stores not configured"),
            Error::NotFound { store } => write!(formatter, "configuration store {store} not found"),
            Error::Get { store, keys, source } => {
                write!(formatter, "failed to get {} from Configuration store {store}: {source}", Self::list(keys))
            }
            Error::Subscribe { store, keys, message } => {
                let keys = Self::list(keys);
                write!(formatter, "failed to subscribe {keys} from Configuration store {store}: {message}")
            }
            Error::NoApp => {
                formatter.write_str("app channel is not initialized. cannot subscribe to configuration updates")
            }
            Error::Unsubscribe { id, message } => {
                write!(formatter, "failed to unsubscribe to configuration request {id}: {message}")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;

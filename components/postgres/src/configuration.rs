//! `configuration.postgresql`: values out of a table that somebody else writes, and notifications of its trigger. Called
//! through `loaded`.

mod announcement;
mod line;
mod listener;
mod settings;
mod subscriber;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use component::configuration::{Changes, ConfigurationStore, Items, Request};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Retry, Settings, Setup, Tasks};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::options::Options;
use crate::pool::Pool;
use crate::settings::ServerSettings;
use listener::{Join, Listener};
use settings::{ConfigurationSettings, channel};
use table::Table;

pub(crate) use settings::CONFIGURATION_FIELDS;

/// How often a subscriber meets a listener that is about to end.
const ATTEMPTS: usize = 5;
/// Subscribers that may wait for a listener.
const JOINING: usize = 64;

struct PostgresConfiguration {
    pool: Pool,
    options: Options,
    table: Arc<Table>,
    /// The channel of all subscriptions; empty where each names its own.
    channel: String,
    tasks: Tasks,
    /// Who listens, by channel.
    listeners: Mutex<HashMap<String, mpsc::Sender<Join>>>,
    closing: CancellationToken,
    /// Ends the listeners with the store, closed or not.
    _open: DropGuard,
}

/// Makes the store.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn ConfigurationStore> {
    Box::pin(async move {
        let settings = ConfigurationSettings::parse(&setup.properties)?;
        let mut server = ServerSettings::parse(&setup.properties)?;
        let name = settings.check()?;
        if server.connection_max_idle_time.is_zero() {
            server.connection_max_idle_time = settings.conn_max_idle_time;
        }
        let options = Options::new(&server)?;
        let tasks = setup.host.tasks;
        let pool = Pool::new(options.clone(), tasks.clone());
        let table = Arc::new(Table::new(pool.clone(), name, settings.timeout));
        table.check().await?;
        let closing = CancellationToken::new();
        let _open = closing.clone().drop_guard();
        let listeners = Mutex::default();
        let channel = settings.notify_channel;
        let store: Arc<dyn ConfigurationStore> =
            Arc::new(PostgresConfiguration { pool, options, table, channel, tasks, listeners, closing, _open });
        Ok(store)
    })
}

impl PostgresConfiguration {
    /// Who listens to a channel, started where nobody does.
    fn listener(&self, channel: &str) -> mpsc::Sender<Join> {
        // The map is whole between any two statements.
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|_, listener| !listener.is_closed());
        let listener = listeners.entry(channel.to_owned()).or_insert_with(|| {
            let (sender, joining) = mpsc::channel(JOINING);
            let listener = Listener::new(channel, self.options.clone(), Arc::clone(&self.table), self.tasks.clone());
            self.tasks.spawn("configuration.postgresql listener", listener.run(joining, self.closing.clone()));
            sender
        });
        listener.clone()
    }
}

#[async_trait]
impl Backend for PostgresConfiguration {
    async fn close(&self) -> Result<(), Error> {
        self.closing.cancel();
        self.pool.close();
        Ok(())
    }
}

#[async_trait]
impl ConfigurationStore for PostgresConfiguration {
    async fn get(&self, _: &CallContext, request: &Request) -> Result<Items, Error> {
        let keys: Vec<&str> = request.keys.iter().map(String::as_str).collect();
        self.table.read(&keys).await
    }

    async fn subscribe(&self, _: &CallContext, request: &Request) -> Result<Changes, Error> {
        let channel = channel(&self.channel, &request.metadata)?;
        for _ in 0..ATTEMPTS {
            if self.closing.is_cancelled() {
                break;
            }
            let (answer, answered) = oneshot::channel();
            let join = Join { keys: request.keys.clone(), answer };
            if self.listener(&channel).send(join).await.is_ok()
                && let Ok(joined) = answered.await
            {
                return joined;
            }
        }
        let message = "configuration store is closed";
        Err(Error::new(ErrorKind::Unavailable, message).with_retry(Retry::NotProcessed))
    }
}

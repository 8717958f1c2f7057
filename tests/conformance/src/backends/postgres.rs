//! `state.postgresql` in both versions, and `configuration.postgresql`.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use servers::Postgres;

use crate::Capability::{Etag, ExpireTime, KeyListing, PrefixRemoval, Query, Restart, Transactions, Ttl};
use crate::configuration::{ConfigurationProfile, ConfigurationStores, Versions};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Capability, Ground, Starting, Unavailable};

const ALL: &[Capability] = &[Etag, Transactions, Ttl, ExpireTime, PrefixRemoval, KeyListing, Restart];

pub(super) const STATE: &[Backend<StateStores>] = &[
    Backend {
        name: "postgresql-v1",
        component_type: "state.postgresql",
        version: "v1",
        capabilities: &[Etag, Transactions, Ttl, ExpireTime, PrefixRemoval, KeyListing, Query, Restart],
        start,
        profile: StateProfile {
            etags: Etags { foreign: "4294967290", malformed: &["bad-etag", "-1", "4294967296"] },
            // Bytes are base64 within JSON there, whose texts end at 256 MiB.
            limits: Limits { value_bytes: 128 << 20, key_bytes: 2600, nul_in_keys: false },
            shared: true,
            uses_given_clock: false,
        },
    },
    Backend {
        name: "postgresql-v2",
        component_type: "state.postgresql",
        version: "v2",
        capabilities: ALL,
        start,
        profile: StateProfile {
            etags: Etags { foreign: "00000000-0000-0000-0000-000000000000", malformed: &[] },
            limits: Limits { value_bytes: 256 << 20, key_bytes: 2600, nul_in_keys: false },
            shared: true,
            uses_given_clock: false,
        },
    },
];

struct Server(Arc<Mutex<Postgres>>);

fn start() -> Starting {
    Box::pin(async { Ok(Arc::new(start_server().await?) as Arc<dyn Ground>) })
}

async fn start_server() -> Result<Server, Unavailable> {
    let started = tokio::task::spawn_blocking(|| Postgres::alone().start()).await.expect("it starts");
    let server = started.ok_or_else(|| Unavailable("PostgreSQL is not installed".to_owned()))?;
    Ok(Server(Arc::new(Mutex::new(server))))
}

impl Server {
    async fn sql(&self, statement: String) {
        let server = Arc::clone(&self.0);
        let asking = move || server.lock().unwrap_or_else(PoisonError::into_inner).sql(&statement);
        tokio::task::spawn_blocking(asking).await.expect("psql runs").unwrap_or_else(|error| panic!("{error}"));
    }
}

#[async_trait]
impl Ground for Server {
    fn properties(&self) -> Vec<(String, String)> {
        let server = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        vec![("connectionString".to_owned(), server.connection_string())]
    }

    async fn restart(&self) {
        let server = Arc::clone(&self.0);
        let restarting = move || {
            let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
            server.kill();
            server.restart();
        };
        tokio::task::spawn_blocking(restarting).await.expect("it starts again");
    }
}

/// The table and its trigger, as the target's documentation has them.
const CONFIGURATION_TABLE: &str = "
CREATE TABLE settings (
  key VARCHAR NOT NULL PRIMARY KEY, value VARCHAR NOT NULL, version VARCHAR NOT NULL, metadata JSON);
CREATE FUNCTION notify_event() RETURNS TRIGGER AS $$
  DECLARE data json; notification json;
  BEGIN
    IF (TG_OP = 'DELETE') THEN data = row_to_json(OLD); ELSE data = row_to_json(NEW); END IF;
    notification = json_build_object('table', TG_TABLE_NAME, 'action', TG_OP, 'data', data);
    PERFORM pg_notify('config', notification::text);
    RETURN NULL;
  END;
$$ LANGUAGE plpgsql;
CREATE TRIGGER config AFTER INSERT OR UPDATE OR DELETE ON settings FOR EACH ROW EXECUTE PROCEDURE notify_event();";

pub(super) const CONFIGURATION: &[Backend<ConfigurationStores>] = &[Backend {
    name: "postgresql",
    component_type: "configuration.postgresql",
    version: "v1",
    capabilities: &[Restart],
    start: || Box::pin(async { Ok(Arc::new(Configuration(serve().await?)) as Arc<dyn Ground>) }),
    profile: ConfigurationProfile { metadata: &[("pgNotifyChannel", "config")], versions: Versions::Written },
}];

struct Configuration(Server);

async fn serve() -> Result<Server, Unavailable> {
    let server = start_server().await?;
    server.sql(CONFIGURATION_TABLE.to_owned()).await;
    Ok(server)
}

#[async_trait]
impl Ground for Configuration {
    fn properties(&self) -> Vec<(String, String)> {
        let mut properties = self.0.properties();
        properties.push(("table".to_owned(), "settings".to_owned()));
        properties
    }

    async fn restart(&self) {
        self.0.restart().await;
    }

    async fn configure(&self, key: &str, value: Option<(&str, &str)>) {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let statement = match value {
            None => format!("DELETE FROM settings WHERE key = {}", quoted(key)),
            Some((value, version)) => format!(
                "INSERT INTO settings VALUES ({}, {}, {}) ON CONFLICT (key) DO UPDATE SET value = excluded.value, \
                 version = excluded.version",
                quoted(key),
                quoted(value),
                quoted(version)
            ),
        };
        self.0.sql(statement).await;
    }
}

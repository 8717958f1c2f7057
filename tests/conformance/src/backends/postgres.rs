//! `state.postgresql` in both versions, on one server for all checks.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use servers::Postgres;

use crate::Capability::{Etag, ExpireTime, KeyListing, PrefixRemoval, Restart, Transactions, Ttl};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Capability, Ground, Starting, Unavailable};

const ALL: &[Capability] = &[Etag, Transactions, Ttl, ExpireTime, PrefixRemoval, KeyListing, Restart];

pub(super) const STATE: &[Backend<StateStores>] = &[
    Backend {
        name: "postgresql-v1",
        component_type: "state.postgresql",
        version: "v1",
        capabilities: ALL,
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
    Box::pin(async {
        let started = tokio::task::spawn_blocking(|| Postgres::alone().durable().start()).await.expect("it starts");
        let server = started.ok_or_else(|| Unavailable("PostgreSQL is not installed".to_owned()))?;
        Ok(Arc::new(Server(Arc::new(Mutex::new(server)))) as Arc<dyn Ground>)
    })
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

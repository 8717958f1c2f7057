//! `state.etcd` in both versions, on one server for all checks.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use servers::Etcd;

use crate::Capability::{Etag, ExpireTime, KeyListing, PrefixRemoval, Restart, Transactions, Ttl};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Capability, Ground, Starting, Unavailable};

/// No write is ever given the last revision there could be. The size of requests is etcd's default.
const PROFILE: StateProfile = StateProfile {
    etags: Etags { foreign: "9223372036854775807", malformed: &[] },
    limits: Limits { value_bytes: 1_500_000, key_bytes: 1_000_000, nul_in_keys: true },
    shared: true,
    uses_given_clock: false,
};

const fn backend(name: &'static str, version: &'static str, can: &'static [Capability]) -> Backend<StateStores> {
    Backend { name, component_type: "state.etcd", version, capabilities: can, start, profile: PROFILE }
}

pub(super) const STATE: &[Backend<StateStores>] = &[
    // Its values say nothing of their end.
    backend("etcd-v1", "v1", &[Etag, Transactions, Ttl, PrefixRemoval, KeyListing, Restart]),
    backend("etcd-v2", "v2", &[Etag, Transactions, Ttl, ExpireTime, PrefixRemoval, KeyListing, Restart]),
];

struct Server(Arc<Mutex<Etcd>>);

fn start() -> Starting {
    Box::pin(async {
        let started = tokio::task::spawn_blocking(|| Etcd::alone().start()).await.expect("it starts");
        let server = started.ok_or_else(|| Unavailable("etcd is not installed".to_owned()))?;
        Ok(Arc::new(Server(Arc::new(Mutex::new(server)))) as Arc<dyn Ground>)
    })
}

#[async_trait]
impl Ground for Server {
    fn properties(&self) -> Vec<(String, String)> {
        let server = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        vec![("endpoints".to_owned(), server.address()), ("keyPrefixPath".to_owned(), "/trilby".to_owned())]
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

//! `state.redis` on one server, through TLS, watched by sentinels, and as a cluster.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use servers::{Redis, RedisCluster, RedisSentinels};

use crate::Capability::{self, Etag, ExpireTime, KeepsEnd, KeyListing, Transactions, TransactionsInParts, Ttl};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Ground, Starting, Unavailable};

pub(super) const STATE: &[Backend<StateStores>] = &[
    store("redis", WHOLE, alone),
    store("redis-tls", WHOLE, tls),
    store("redis-sentinel", WHOLE, sentinel),
    store("redis-cluster", IN_PARTS, cluster),
];

const WHOLE: &[Capability] = &[Etag, Transactions, Ttl, KeepsEnd, ExpireTime, KeyListing];
/// Keys of several slots lie on several servers.
const IN_PARTS: &[Capability] = &[Etag, Transactions, TransactionsInParts, Ttl, KeepsEnd, ExpireTime, KeyListing];

const fn store(
    name: &'static str,
    capabilities: &'static [Capability],
    start: fn() -> Starting,
) -> Backend<StateStores> {
    Backend {
        name,
        component_type: "state.redis",
        version: "v1",
        capabilities,
        start,
        profile: StateProfile {
            // A removal compares any ETag, as in the target.
            etags: Etags { foreign: "4711", malformed: &[] },
            limits: Limits { value_bytes: 512 << 20, key_bytes: 512 << 20, nul_in_keys: true },
            shared: true,
            uses_given_clock: false,
        },
    }
}

type Properties = Vec<(String, String)>;

fn named(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Servers, the metadata that leads to them, and how to start them again.
struct Servers<S: Send> {
    servers: Mutex<S>,
    properties: Properties,
    restart: fn(&mut S),
}

#[async_trait]
impl<S: Send> Ground for Servers<S> {
    fn properties(&self) -> Properties {
        self.properties.clone()
    }

    async fn restart(&self) -> bool {
        tokio::task::block_in_place(|| {
            (self.restart)(&mut self.servers.lock().unwrap_or_else(PoisonError::into_inner))
        });
        true
    }
}

fn start<S: Send + 'static>(
    make: fn() -> Option<S>,
    properties: fn(&S) -> Properties,
    restart: fn(&mut S),
) -> Starting {
    Box::pin(async move {
        let made = tokio::task::spawn_blocking(make).await.expect("a server starts, or says why not");
        let servers = made.ok_or_else(|| Unavailable("redis-server is not installed".to_owned()))?;
        let properties = properties(&servers);
        Ok(Arc::new(Servers { servers: Mutex::new(servers), properties, restart }) as Arc<dyn Ground>)
    })
}

fn alone() -> Starting {
    let properties = |redis: &Redis| {
        named(&[("redisHost", &redis.address()), ("redisUsername", "alice"), ("redisPassword", "secret")])
    };
    start(|| Redis::alone().user("alice", "secret").durable().start(), properties, Redis::restart)
}

fn tls() -> Starting {
    let properties = |redis: &Redis| {
        let tls = redis.tls().expect("it was started with TLS");
        named(&[
            ("redisHost", &redis.address()),
            ("enableTLS", "true"),
            ("insecureSkipTLSVerify", "true"),
            ("clientCert", &tls.client_certificate),
            ("clientKey", &tls.client_key),
        ])
    };
    start(|| Redis::alone().tls(true).durable().start(), properties, Redis::restart)
}

fn sentinel() -> Starting {
    let properties = |set: &RedisSentinels| {
        named(&[
            ("redisHost", &set.addresses().join(",")),
            ("failover", "true"),
            ("sentinelMasterName", set.master_name()),
            ("redisPassword", "secret"),
            ("sentinelPassword", "secret"),
        ])
    };
    start(
        || RedisSentinels::start_with(1, Some("secret")),
        properties,
        |set| {
            let _ = set.kill_master();
        },
    )
}

fn cluster() -> Starting {
    let properties =
        |cluster: &RedisCluster| named(&[("redisHost", &cluster.addresses().join(",")), ("redisType", "cluster")]);
    start(RedisCluster::start, properties, |cluster| cluster.nodes.iter_mut().for_each(Redis::restart))
}

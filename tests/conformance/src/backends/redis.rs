//! The stores and brokers on Redis: on one server, through TLS, watched by sentinels, and on a cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use servers::{Redis, RedisCluster, RedisSentinels};

use crate::Capability::{
    self, BulkPublish, Durable, Etag, ExpireTime, Groups, KeepsEnd, KeyListing, MessageMetadata, Order, Restart,
    Transactions, TransactionsInParts, Ttl,
};
use crate::configuration::{ConfigurationProfile, ConfigurationStores, Versions};
use crate::lock::{LockProfile, LockStores};
use crate::pubsub::{BrokerProfile, Brokers, ODD_TOPICS};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Ground, Starting, Unavailable};

pub(super) const STATE: &[Backend<StateStores>] = &[
    state("redis", &[Etag, Transactions, Ttl, KeepsEnd, ExpireTime, KeyListing, Restart], alone),
    state("redis-tls", &[Etag, Transactions, Ttl, KeepsEnd, ExpireTime, KeyListing, Restart], tls),
    // A replica that becomes master may lack the last writes, unless they were strong.
    state("redis-sentinel", &[Etag, Transactions, Ttl, KeepsEnd, ExpireTime, KeyListing], sentinel),
    // Keys of several slots lie on several servers.
    state(
        "redis-cluster",
        &[Etag, Transactions, TransactionsInParts, Ttl, KeepsEnd, ExpireTime, KeyListing, Restart],
        cluster,
    ),
];

pub(super) const CONFIGURATION: &[Backend<ConfigurationStores>] =
    &[configuration("redis", &[Restart], alone), configuration("redis-sentinel", &[], sentinel)];

pub(super) const LOCK: &[Backend<LockStores>] =
    &[lock("redis", &[Restart], alone), lock("redis-sentinel", &[], sentinel)];

pub(super) const PUBSUB: &[Backend<Brokers>] = &[
    broker("redis", &[BulkPublish, Durable, Groups, MessageMetadata, Order, Restart], || impatient(make_alone)),
    broker("redis-sentinel", &[BulkPublish, Durable, Groups, MessageMetadata, Order], || impatient(make_sentinel)),
    broker("redis-cluster", &[BulkPublish, Durable, Groups, MessageMetadata, Order, Restart], || {
        impatient(make_cluster)
    }),
];

const fn state(
    name: &'static str,
    capabilities: &'static [Capability],
    start: fn() -> Starting,
) -> Backend<StateStores> {
    // A removal compares any ETag, as in the target.
    let etags = Etags { foreign: "4711", malformed: &[] };
    let limits = Limits { value_bytes: 512 << 20, key_bytes: 512 << 20, nul_in_keys: true };
    let profile = StateProfile { etags, limits, shared: true, uses_given_clock: false };
    Backend { name, component_type: "state.redis", version: "v1", capabilities, start, profile }
}

const fn configuration(
    name: &'static str,
    capabilities: &'static [Capability],
    start: fn() -> Starting,
) -> Backend<ConfigurationStores> {
    let profile = ConfigurationProfile { metadata: &[], versions: Versions::Written };
    Backend { name, component_type: "configuration.redis", version: "v1", capabilities, start, profile }
}

const fn lock(name: &'static str, capabilities: &'static [Capability], start: fn() -> Starting) -> Backend<LockStores> {
    Backend {
        name,
        component_type: "lock.redis",
        version: "v1",
        capabilities,
        start,
        profile: LockProfile { shared: true },
    }
}

const fn broker(name: &'static str, capabilities: &'static [Capability], start: fn() -> Starting) -> Backend<Brokers> {
    let profile = BrokerProfile {
        shared: true,
        odd_topics: ODD_TOPICS,
        in_flight: 10,
        again_within: Duration::from_secs(5),
        delay: None,
        key: None,
    };
    Backend { name, component_type: "pubsub.redis", version: "v1", capabilities, start, profile }
}

type Properties = Vec<(String, String)>;

fn named(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What the grounds have in common.
trait Set: Send + 'static {
    fn properties(&self) -> Properties;
    /// Kills what has the data and starts it again.
    fn restart(&mut self);
    /// The server to write configuration to.
    fn writable(&self) -> &Redis;
}

/// Servers, and what else a component on them is told.
struct Servers<S>(Arc<Mutex<S>>, &'static [(&'static str, &'static str)]);

/// What nobody has answered for comes again within a check.
const IMPATIENT: &[(&str, &str)] = &[("processingTimeout", "3s"), ("redeliverInterval", "300ms")];

#[async_trait]
impl<S: Set> Ground for Servers<S> {
    fn properties(&self) -> Properties {
        let mut properties = self.0.lock().unwrap_or_else(PoisonError::into_inner).properties();
        properties.extend(named(self.1));
        properties
    }

    async fn restart(&self) {
        let servers = Arc::clone(&self.0);
        let restarting = move || servers.lock().unwrap_or_else(PoisonError::into_inner).restart();
        tokio::task::spawn_blocking(restarting).await.expect("it starts again");
    }

    async fn configure(&self, key: &str, value: Option<(&str, &str)>) {
        let servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let done = match value {
            Some((value, version)) => servers.writable().command(&["SET", key, &format!("{value}||{version}")]),
            None => servers.writable().command(&["DEL", key]),
        };
        done.expect("the server takes configuration");
    }
}

fn start<S: Set>(make: fn() -> Option<S>) -> Starting {
    start_with(make, &[])
}

fn impatient<S: Set>(make: fn() -> Option<S>) -> Starting {
    start_with(make, IMPATIENT)
}

fn start_with<S: Set>(make: fn() -> Option<S>, more: &'static [(&'static str, &'static str)]) -> Starting {
    Box::pin(async move {
        let made = tokio::task::spawn_blocking(make).await.expect("a server starts, or says why not");
        let servers = made.ok_or_else(|| Unavailable("redis-server is not installed".to_owned()))?;
        Ok(Arc::new(Servers(Arc::new(Mutex::new(servers)), more)) as Arc<dyn Ground>)
    })
}

fn make_alone() -> Option<Redis> {
    Redis::alone().user("alice", "secret").durable().start()
}

fn alone() -> Starting {
    start(make_alone)
}

fn tls() -> Starting {
    start(|| Redis::alone().tls(true).durable().start())
}

impl Set for Redis {
    fn properties(&self) -> Properties {
        match self.tls() {
            None => named(&[("redisHost", &self.address()), ("redisUsername", "alice"), ("redisPassword", "secret")]),
            Some(tls) => named(&[
                ("redisHost", &self.address()),
                ("enableTLS", "true"),
                ("insecureSkipTLSVerify", "true"),
                ("clientCert", &tls.client_certificate),
                ("clientKey", &tls.client_key),
            ]),
        }
    }

    fn restart(&mut self) {
        self.kill();
        Redis::restart(self);
    }

    fn writable(&self) -> &Redis {
        self
    }
}

fn make_sentinel() -> Option<RedisSentinels> {
    RedisSentinels::start_with(1, Some("secret"))
}

fn sentinel() -> Starting {
    start(make_sentinel)
}

impl Set for RedisSentinels {
    fn properties(&self) -> Properties {
        named(&[
            ("redisHost", &self.addresses().join(",")),
            ("failover", "true"),
            ("sentinelMasterName", self.master_name()),
            ("redisPassword", "secret"),
            ("sentinelPassword", "secret"),
        ])
    }

    fn restart(&mut self) {
        panic!("a set that sentinels watch fails over instead: tested in components/redis");
    }

    fn writable(&self) -> &Redis {
        &self.servers[0]
    }
}

fn make_cluster() -> Option<RedisCluster> {
    RedisCluster::start_with(&Redis::alone().password("secret").durable())
}

fn cluster() -> Starting {
    start(make_cluster)
}

impl Set for RedisCluster {
    fn properties(&self) -> Properties {
        named(&[("redisHost", &self.addresses().join(",")), ("redisType", "cluster"), ("redisPassword", "secret")])
    }

    fn restart(&mut self) {
        self.nodes.iter_mut().for_each(Redis::kill);
        self.nodes.iter_mut().for_each(Redis::restart);
        while !self.is_whole() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn writable(&self) -> &Redis {
        &self.nodes[0]
    }
}

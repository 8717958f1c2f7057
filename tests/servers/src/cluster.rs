//! Three Redis servers that are a cluster. Used by tests.

use crate::redis::{Redis, RedisBuilder};
use crate::sentinel::until;

const NODES: u32 = 3;
const SLOTS: u32 = 16_384;

/// A cluster of three masters that share the slots.
#[derive(Debug)]
pub struct RedisCluster {
    /// The servers.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the servers and waits until each says that the cluster is whole.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&Redis::alone())
    }

    /// The same with every server as `builder` says.
    #[must_use]
    pub fn start_with(builder: &RedisBuilder) -> Option<Self> {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push(builder.clone().node().start()?);
        }
        for (place, node) in (0..).zip(&nodes) {
            let (first, last) = (SLOTS * place / NODES, SLOTS * (place + 1) / NODES - 1);
            let (first, last) = (first.to_string(), last.to_string());
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).expect("the slots are free");
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(place + 1).to_string()]).expect("it is new");
        }
        for node in nodes.iter().skip(1) {
            let port = node.plain_port().to_string();
            let bus = node.command(&["CONFIG", "GET", "cluster-port"]).expect("it may be asked");
            let bus = bus.lines().last().unwrap_or_default();
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).expect("it may meet others");
        }
        let all = Self { nodes };
        until("every node knows the whole cluster", || all.is_whole());
        Some(all)
    }

    /// Whether every node says that the cluster is whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nodes.iter().all(|node| {
            node.command(&["CLUSTER", "INFO"])
                .is_ok_and(|text| text.contains("cluster_state:ok") && text.contains("cluster_size:3"))
        })
    }

    /// The addresses of its nodes.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::address).collect()
    }
}

//! Real servers for tests: Redis (alone, with TLS, with users, watched by sentinels, as a cluster), PostgreSQL, etcd and RabbitMQ.
//!
//! `let Some(redis) = Redis::alone().durable().start() else { return };` Each has free ports and a folder of its own, is
//! ready when `start` returns, can be killed and started again on its data, and is gone when it is dropped. A [`Proxy`]
//! in front of one cuts the network. Where a server is not installed, `start` says so loudly and answers `None`; with
//! `CI` set it panics. [`Counters`] write to a state store during a fault and judge it afterwards. Used by the tests of the
//! backends and by `cargo xtask servers`. Everything about servers blocks.

mod account;
mod certificates;
mod cluster;
mod counters;
mod etcd;
mod missing;
mod ports;
mod postgres;
mod process;
mod proxy;
mod rabbitmq;
mod redis;
mod resp;
mod sentinel;

pub use certificates::Tls;
pub use cluster::RedisCluster;
pub use counters::{Counters, cut_time};
pub use etcd::{Etcd, EtcdBuilder};
pub use postgres::{Postgres, PostgresBuilder};
pub use proxy::Proxy;
pub use rabbitmq::{RabbitMq, RabbitMqBuilder};
pub use redis::{Redis, RedisBuilder};
pub use sentinel::RedisSentinels;

//! The list of backends under test: one line per technology and kind here, everything about it in its file.

mod embedded;
mod etcd;
mod keys;
mod local;
mod memory;
mod postgres;
mod rabbitmq;
mod redis;
mod sqlite;

use crate::Backend;
use crate::configuration::ConfigurationStores;
use crate::crypto::CryptoProviders;
use crate::lock::LockStores;
use crate::pubsub::Brokers;
use crate::secrets::SecretStores;
use crate::state::StateStores;

/// Every state store.
pub(crate) fn state_stores() -> Vec<&'static Backend<StateStores>> {
    let technologies: &[&'static [Backend<StateStores>]] =
        &[memory::STATE, embedded::STATE, redis::STATE, sqlite::STATE, postgres::STATE, etcd::STATE];
    technologies.iter().copied().flatten().collect()
}

/// Every secret store.
pub(crate) fn secret_stores() -> Vec<&'static Backend<SecretStores>> {
    let technologies: &[&'static [Backend<SecretStores>]] = &[local::SECRETS];
    technologies.iter().copied().flatten().collect()
}

/// Every configuration store.
pub(crate) fn configuration_stores() -> Vec<&'static Backend<ConfigurationStores>> {
    let technologies: &[&'static [Backend<ConfigurationStores>]] =
        &[embedded::CONFIGURATION, redis::CONFIGURATION, postgres::CONFIGURATION];
    technologies.iter().copied().flatten().collect()
}

/// Every provider of cryptography.
pub(crate) fn crypto_providers() -> Vec<&'static Backend<CryptoProviders>> {
    let technologies: &[&'static [Backend<CryptoProviders>]] = &[keys::CRYPTO];
    technologies.iter().copied().flatten().collect()
}

/// Every lock store.
pub(crate) fn lock_stores() -> Vec<&'static Backend<LockStores>> {
    let technologies: &[&'static [Backend<LockStores>]] = &[embedded::LOCK, redis::LOCK];
    technologies.iter().copied().flatten().collect()
}

/// Every message broker.
pub(crate) fn brokers() -> Vec<&'static Backend<Brokers>> {
    let technologies: &[&'static [Backend<Brokers>]] =
        &[memory::PUBSUB, embedded::PUBSUB, redis::PUBSUB, rabbitmq::PUBSUB];
    technologies.iter().copied().flatten().collect()
}

/// Servers that cannot be had where the suites run, and what is therefore not shown.
pub(crate) const MISSING_SERVERS: &[(&str, &str)] = &[
    (
        "Kubernetes",
        "`secretstores.kubernetes` is tested against an API server of our own (`tests/wire/tests/wire/secrets_kubernetes.rs`), \
         not against a cluster.",
    ),
    (
        "Redis with RedisJSON and RediSearch",
        "`state.redis` refuses queries, and values that the target would keep as documents there (`contentType` \
         `application/json` on such a server).",
    ),
];

//! The list of backends under test: one line per technology and kind here, everything about it in its file.

mod embedded;
mod etcd;
mod memory;
mod postgres;

use crate::Backend;
use crate::configuration::ConfigurationStores;
use crate::lock::LockStores;
use crate::state::StateStores;

/// Every state store.
pub(crate) fn state_stores() -> Vec<&'static Backend<StateStores>> {
    let technologies: &[&'static [Backend<StateStores>]] =
        &[memory::STATE, embedded::STATE, postgres::STATE, etcd::STATE];
    technologies.iter().copied().flatten().collect()
}

/// Every configuration store.
pub(crate) fn configuration_stores() -> Vec<&'static Backend<ConfigurationStores>> {
    let technologies: &[&'static [Backend<ConfigurationStores>]] = &[embedded::CONFIGURATION];
    technologies.iter().copied().flatten().collect()
}

/// Every lock store.
pub(crate) fn lock_stores() -> Vec<&'static Backend<LockStores>> {
    let technologies: &[&'static [Backend<LockStores>]] = &[embedded::LOCK];
    technologies.iter().copied().flatten().collect()
}

/// Servers that cannot be had where the suites run, and what is therefore not shown.
pub(crate) const MISSING_SERVERS: &[(&str, &str)] = &[];

//! What is tested, as data: for the generator of the reference page, which must not know the kinds one by one.

use crate::backends;
use crate::configuration::ConfigurationStores;
use crate::crypto::CryptoProviders;
use crate::kind::{Backend, Kind};
use crate::lock::LockStores;
use crate::pubsub::Brokers;
use crate::secrets::SecretStores;
use crate::state::StateStores;

/// One kind of component with its promises and backends.
#[derive(Debug)]
pub struct Suite {
    /// Heading.
    pub title: &'static str,
    /// The capabilities that the kind knows.
    pub capabilities: Vec<&'static str>,
    /// Every promise, in the order they are tested.
    pub promises: Vec<Promise>,
    /// Every backend.
    pub columns: Vec<Column>,
}

/// One promise.
#[derive(Debug)]
pub struct Promise {
    /// The sentence.
    pub sentence: String,
    /// The capabilities it is about.
    pub needs: Vec<&'static str>,
}

/// One backend.
#[derive(Debug)]
pub struct Column {
    /// Short name.
    pub name: &'static str,
    /// Full type.
    pub component_type: &'static str,
    /// Version.
    pub version: &'static str,
    /// The capabilities it declares.
    pub capabilities: Vec<&'static str>,
    /// What else is told of it: a heading and a text.
    pub notes: Vec<(&'static str, String)>,
}

/// Every suite.
pub fn suites() -> Vec<Suite> {
    vec![
        describe::<StateStores>(&backends::state_stores()),
        describe::<SecretStores>(&backends::secret_stores()),
        describe::<ConfigurationStores>(&backends::configuration_stores()),
        describe::<LockStores>(&backends::lock_stores()),
        describe::<Brokers>(&backends::brokers()),
        describe::<CryptoProviders>(&backends::crypto_providers()),
    ]
}

/// Servers that cannot be had where the suites run, and what is therefore not shown.
pub fn missing_servers() -> &'static [(&'static str, &'static str)] {
    backends::MISSING_SERVERS
}

fn describe<K: Kind>(backends: &[&'static Backend<K>]) -> Suite {
    let promises = K::checks().into_iter().map(|check| Promise {
        sentence: check.name.replace('_', " "),
        needs: check.needs.iter().map(|need| need.title()).collect(),
    });
    let columns = backends.iter().map(|backend| Column {
        name: backend.name,
        component_type: backend.component_type,
        version: backend.version,
        capabilities: backend.capabilities.iter().map(|capability| capability.title()).collect(),
        notes: K::notes(&backend.profile),
    });
    Suite {
        title: K::TITLE,
        capabilities: K::capabilities().iter().map(|capability| capability.title()).collect(),
        promises: promises.collect(),
        columns: columns.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_of_backends_and_promises_are_unique_in_their_kind() {
        for suite in suites() {
            let mut seen = HashSet::new();
            assert!(suite.columns.iter().all(|column| seen.insert(column.name.to_owned())), "{seen:?}");
            assert!(suite.promises.iter().all(|promise| seen.insert(promise.sentence.clone())), "{seen:?}");
        }
    }

    #[test]
    fn a_backend_declares_capabilities_of_its_kind_alone() {
        for suite in suites() {
            for column in &suite.columns {
                let strange = column.capabilities.iter().find(|capability| !suite.capabilities.contains(capability));
                assert_eq!(strange, None, "{}", column.name);
            }
        }
    }
}

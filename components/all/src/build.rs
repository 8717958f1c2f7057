//! Collects what the backend crates of this build offer. Called by `sidecar` at start and by the generator of the
//! reference pages; it must not make any backend.

use std::sync::Arc;

use component::resolver::{Configuration, Error, Resolver};
use component::{Registration, Registry};

use crate::KNOWN_TYPES;

/// Every implementation in this build.
pub fn registrations() -> Vec<&'static Registration> {
    let backends: &[&'static [Registration]] = &[
        #[cfg(feature = "conversation")]
        conversation::REGISTRATIONS,
        #[cfg(feature = "crypto")]
        crypto::REGISTRATIONS,
        #[cfg(feature = "embedded")]
        embedded::REGISTRATIONS,
        #[cfg(feature = "etcd")]
        etcd::REGISTRATIONS,
        #[cfg(feature = "kubernetes")]
        cluster::REGISTRATIONS,
        #[cfg(feature = "local")]
        local::REGISTRATIONS,
        #[cfg(feature = "middleware")]
        middleware::REGISTRATIONS,
        #[cfg(feature = "postgres")]
        postgres::REGISTRATIONS,
        #[cfg(feature = "rabbitmq")]
        rabbitmq::REGISTRATIONS,
        #[cfg(feature = "redis")]
        redis_component::REGISTRATIONS,
        #[cfg(feature = "spiffeprobe")]
        spiffeprobe::REGISTRATIONS,
        #[cfg(feature = "sqlite")]
        sqlite::REGISTRATIONS,
    ];
    backends.iter().copied().flatten().collect()
}

/// This build's implementations, ready to be looked up by type and version.
pub fn registry() -> Registry {
    Registry::new(registrations(), KNOWN_TYPES)
}

/// Makes the name resolver of a name, in any case.
///
/// # Errors
/// When this build has none of that name, or its settings are wrong.
pub async fn resolver(name: &str, settings: &Configuration) -> Result<Arc<dyn Resolver>, Error> {
    match name.to_lowercase().as_str() {
        #[cfg(feature = "local")]
        "mdns" => Ok(Arc::new(local::mdns::Mdns::new())),
        #[cfg(feature = "local")]
        "nameformat" => Ok(Arc::new(local::nameformat::NameFormat::new(settings)?)),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(sqlite::resolver::Sqlite::open(settings).await?)),
        other => Err(Error::Configuration(format!(
            "couldn't find name resolver {other}/v1: this build has mdns, nameformat and sqlite"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use component::Version;

    use super::*;

    #[test]
    fn type_names_are_lower_case_and_of_their_family() {
        for row in registrations() {
            for name in std::iter::once(row.component_type).chain(row.aliases.iter().copied()) {
                assert_eq!(name, name.to_lowercase());
                assert!(name.starts_with(row.family().prefix()), "{name}");
            }
        }
    }

    #[test]
    fn no_type_and_version_is_offered_twice() {
        let mut seen = HashSet::new();
        for row in registrations() {
            let version = match row.version {
                Version::Any => "",
                Version::Named { name, .. } => name,
            };
            assert!(seen.insert((row.component_type, version)), "{}", row.component_type);
        }
    }

    #[test]
    fn a_field_and_its_aliases_have_names_of_their_own() {
        for row in registrations() {
            let mut seen = HashSet::new();
            for name in row.fields.iter().flat_map(|field| field.names()) {
                assert!(seen.insert(name.to_lowercase()), "{} {name}", row.component_type);
            }
        }
    }

    #[test]
    fn the_list_of_known_types_is_sorted_and_whole() {
        assert!(KNOWN_TYPES.is_sorted());
        assert_eq!(KNOWN_TYPES.len(), 154);
    }

    #[cfg(feature = "local")]
    #[test]
    fn what_is_missing_is_explained() {
        let explain = |component_type| registry().find(component_type, "v1").unwrap_err().to_string();
        assert!(registry().find("state.in-memory", "v1").is_ok());
        let built = "this build has state.";
        let misspelt = "couldn't find state store state.redsi/v1: there is no such type, did you mean state.redis?; ";
        assert!(explain("state.redsi").starts_with(&format!("{misspelt}{built}")), "{}", explain("state.redsi"));
        let absent =
            "couldn't find state store state.cassandra/v1: the type is known to Dapr but not part of this build; ";
        assert!(explain("state.cassandra").starts_with(&format!("{absent}{built}")), "{}", explain("state.cassandra"));
        assert!(explain("state.cassandra").contains("state.in-memory"));
    }
}

//! That a state store tells the truth about what it is able to do.

use component::ErrorKind;
use component::state::{DeleteRequest, SetRequest};

use super::Subject;
use super::subject::with_ttl;
use crate::Capability;

/// The names of the metadata API.
const NAMES: &[(Capability, &str)] = &[
    (Capability::Etag, "ETAG"),
    (Capability::Transactions, "TRANSACTIONAL"),
    (Capability::Ttl, "TTL"),
    (Capability::PrefixRemoval, "DELETE_WITH_PREFIX"),
    (Capability::KeyListing, "KEYS_LIKE"),
    (Capability::Query, "QUERY_API"),
    (Capability::PartitionKey, "PARTITION_KEY"),
];

pub(super) async fn it_has_the_declared_capabilities_and_no_other(subject: Subject) {
    let told = subject.store.capabilities();
    for (capability, name) in NAMES {
        assert_eq!(told.contains(name), subject.has(*capability), "{name} among {told:?}");
    }
    let can_hold_actors = subject.has(Capability::Etag) && subject.has(Capability::Transactions);
    assert_eq!(told.contains(&"ACTOR"), can_hold_actors, "ACTOR among {told:?}");
}

pub(super) async fn what_is_not_declared_is_refused(subject: Subject) {
    if !subject.has(Capability::Ttl) {
        let error = subject.try_set(&with_ttl(subject.write("ttl", "1"), "10")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported, "a time to live must not be forgotten: {error}");
    }
    if !subject.has(Capability::Etag) {
        let etag = Some(subject.backend.profile.etags.foreign.to_owned());
        let request = SetRequest { etag: etag.clone(), ..subject.write("etag", "1") };
        let error = subject.try_set(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported, "an ETag must not be forgotten: {error}");
        let request = DeleteRequest { etag, ..subject.removal("etag") };
        let error = subject.try_delete(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported, "an ETag must not be forgotten: {error}");
    }
    assert_eq!(subject.store.transactional().is_some(), subject.has(Capability::Transactions));
    assert_eq!(subject.store.prefix_removal().is_some(), subject.has(Capability::PrefixRemoval));
    assert_eq!(subject.store.queryable().is_some(), subject.has(Capability::Query));
    assert_eq!(subject.store.key_listing().is_some(), subject.has(Capability::KeyListing));
}

//! What a state store may be able to do, and that it tells the truth about it.

use component::ErrorKind;
use component::state::{DeleteRequest, SetRequest};

use super::Subject;
use super::subject::with_ttl;

/// An ability that not every state store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Values have ETags, and first-write concurrency is kept.
    Etag,
    /// Several operations all or nothing.
    Transactions,
    /// Values end after `ttlInSeconds`.
    Ttl,
    /// A read tells when the value ends, as `ttlExpireTime`.
    ExpireTime,
    /// Removal of all keys below a prefix.
    PrefixRemoval,
    /// Listing of keys by pattern, in pages.
    KeyListing,
    /// The metadata `partitionKey` is used.
    PartitionKey,
}

impl Capability {
    /// All, in the order of the reference page.
    pub const ALL: [Capability; 7] = [
        Capability::Etag,
        Capability::Transactions,
        Capability::Ttl,
        Capability::ExpireTime,
        Capability::PrefixRemoval,
        Capability::KeyListing,
        Capability::PartitionKey,
    ];

    /// The name of the metadata API, if it has one.
    fn api_name(self) -> Option<&'static str> {
        match self {
            Capability::Etag => Some("ETAG"),
            Capability::Transactions => Some("TRANSACTIONAL"),
            Capability::Ttl => Some("TTL"),
            Capability::ExpireTime => None,
            Capability::PrefixRemoval => Some("DELETE_WITH_PREFIX"),
            Capability::KeyListing => Some("KEYS_LIKE"),
            Capability::PartitionKey => Some("PARTITION_KEY"),
        }
    }

    /// How the reference page calls it.
    pub fn title(self) -> &'static str {
        match self {
            Capability::Etag => "ETags, first-write",
            Capability::Transactions => "transactions",
            Capability::Ttl => "time to live",
            Capability::ExpireTime => "tells the end",
            Capability::PrefixRemoval => "removal by prefix",
            Capability::KeyListing => "key listing",
            Capability::PartitionKey => "partition keys",
        }
    }
}

pub(super) async fn it_has_the_declared_capabilities_and_no_other(subject: Subject) {
    let told = subject.store.capabilities();
    for capability in Capability::ALL {
        if let Some(name) = capability.api_name() {
            assert_eq!(told.contains(&name), subject.has(capability), "{name} among {told:?}");
        }
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
        let etag = Some(subject.backend.etags.foreign.to_owned());
        let request = SetRequest { etag: etag.clone(), ..subject.write("etag", "1") };
        let error = subject.try_set(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported, "an ETag must not be forgotten: {error}");
        let request = DeleteRequest { etag, ..subject.removal("etag") };
        let error = subject.try_delete(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported, "an ETag must not be forgotten: {error}");
    }
    assert_eq!(subject.store.transactional().is_some(), subject.has(Capability::Transactions));
    assert_eq!(subject.store.prefix_removal().is_some(), subject.has(Capability::PrefixRemoval));
    assert_eq!(subject.store.key_listing().is_some(), subject.has(Capability::KeyListing));
}

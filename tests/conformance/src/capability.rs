//! The abilities that some backends of a kind have and others have not. A backend's file declares them; checks ask for them.

/// An ability that not every backend of its kind has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// State: values have ETags, and first-write concurrency is kept.
    Etag,
    /// State: several operations all or nothing.
    Transactions,
    /// State: values end after `ttlInSeconds`.
    Ttl,
    /// State: a read tells when the value ends, as `ttlExpireTime`.
    ExpireTime,
    /// State: removal of all keys below a prefix.
    PrefixRemoval,
    /// State: listing of keys by pattern, in pages.
    KeyListing,
    /// State: the metadata `partitionKey` is used.
    PartitionKey,
    /// Secrets: one secret can have several keys.
    SeveralKeys,
    /// The server can be restarted with the data it had.
    Restart,
}

impl Capability {
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
            Capability::SeveralKeys => "several keys",
            Capability::Restart => "restarts",
        }
    }
}

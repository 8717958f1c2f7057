//! The abilities that some backends of a kind have and others have not. A backend's file declares them; checks ask for them.

/// An ability that not every backend of its kind has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// State: values have ETags, and first-write concurrency is kept.
    Etag,
    /// State: several operations all or nothing.
    Transactions,
    /// State: a transaction over keys that lie apart is done part by part, so that a reader may see some parts done and
    /// others not yet. It is still begun only if no operation is refused.
    TransactionsInParts,
    /// State: values end after `ttlInSeconds`.
    Ttl,
    /// State: a write that says nothing of a time to live leaves the end that the value had; otherwise it clears it.
    KeepsEnd,
    /// State: a read tells when the value ends, as `ttlExpireTime`.
    ExpireTime,
    /// State: removal of all keys below a prefix.
    PrefixRemoval,
    /// State: listing of keys by pattern, in pages.
    KeyListing,
    /// State: searches over JSON values.
    Query,
    /// State: the metadata `partitionKey` is used.
    PartitionKey,
    /// Secrets: one secret can have several keys.
    SeveralKeys,
    /// Cryptography: keys can be symmetric.
    SymmetricKeys,
    /// Cryptography: keys can be public ones, and public parts are given.
    PublicKeys,
    /// The server can be restarted with the data it had.
    Restart,
}

impl Capability {
    /// How the reference page calls it.
    pub fn title(self) -> &'static str {
        match self {
            Capability::Etag => "ETags, first-write",
            Capability::Transactions => "transactions",
            Capability::TransactionsInParts => "transactions part by part",
            Capability::Ttl => "time to live",
            Capability::KeepsEnd => "keeps an earlier end",
            Capability::ExpireTime => "tells the end",
            Capability::PrefixRemoval => "removal by prefix",
            Capability::KeyListing => "key listing",
            Capability::Query => "queries",
            Capability::PartitionKey => "partition keys",
            Capability::SeveralKeys => "several keys",
            Capability::SymmetricKeys => "symmetric keys",
            Capability::PublicKeys => "public keys",
            Capability::Restart => "restarts",
        }
    }
}

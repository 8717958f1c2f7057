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
    /// Pub/sub: the content type of a message comes with it.
    ContentType,
    /// Pub/sub: metadata of a message that means nothing to the broker comes with it.
    MessageMetadata,
    /// Pub/sub: many messages are published in one go.
    BulkPublish,
    /// Pub/sub: messages are handed out in the order in which one publisher published them.
    Order,
    /// Pub/sub: messages of one key are handed out one after the other and in order, also where one has to be tried again.
    KeyOrder,
    /// Pub/sub: a message comes after a delay of its own.
    Delay,
    /// Pub/sub: the broker drops messages after `ttlInSeconds`.
    MessageTtl,
    /// Pub/sub: a subscription may be to a pattern of topics.
    Wildcards,
    /// Pub/sub: subscribers with one consumer id share the messages of a topic, and other consumer ids get their own.
    Groups,
    /// Pub/sub: messages wait for a consumer that has subscribed before.
    Durable,
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
            Capability::ContentType => "content types",
            Capability::MessageMetadata => "metadata",
            Capability::BulkPublish => "bulk publish",
            Capability::Order => "order",
            Capability::KeyOrder => "order by key",
            Capability::Delay => "delays",
            Capability::MessageTtl => "time to live of messages",
            Capability::Wildcards => "wildcards",
            Capability::Groups => "consumer groups",
            Capability::Durable => "durable",
            Capability::Restart => "restarts",
        }
    }
}

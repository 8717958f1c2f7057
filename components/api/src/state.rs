//! What a state store offers. Implemented by backends, called through `loaded` by the state block (and later by
//! actors). Keys arrive complete: a store adds no prefix and interprets none, except where a method says so.

mod like;
mod query;
mod requests;

use async_trait::async_trait;

pub use like::LikePattern;
pub use query::{Comparison, Filter, Query, QueryError, QueryPage, QueryRequest, Sorting};
pub use requests::{
    BulkError, BulkItem, BulkOptions, Concurrency, Consistency, DeleteRequest, GetRequest, KeysPage, KeysRequest,
    Operation, Options, SetRequest, Stored, TTL_EXPIRE_TIME, Transaction, expand_prefix, time_to_live,
};

use crate::{Backend, CallContext, Error};

/// A store of values by key.
#[async_trait]
pub trait StateStore: Backend {
    /// The value of a key, or `None`.
    async fn get(&self, context: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error>;

    /// The values of many keys, one item per request and in its order.
    async fn bulk_get(
        &self,
        context: &CallContext,
        requests: &[GetRequest],
        options: BulkOptions,
    ) -> Result<Vec<BulkItem>, Error>;

    /// Stores a value.
    async fn set(&self, context: &CallContext, request: &SetRequest) -> Result<(), Error>;

    /// Stores many values, each for itself: some may fail while others succeed.
    async fn bulk_set(
        &self,
        context: &CallContext,
        requests: &[SetRequest],
        options: BulkOptions,
    ) -> Result<(), BulkError>;

    /// Removes a key; one that is not there is no error, unless an ETag is given.
    async fn delete(&self, context: &CallContext, request: &DeleteRequest) -> Result<(), Error>;

    /// Removes many keys, each for itself.
    async fn bulk_delete(
        &self,
        context: &CallContext,
        requests: &[DeleteRequest],
        options: BulkOptions,
    ) -> Result<(), BulkError>;

    /// Whether values have ETags and first-write concurrency is kept.
    fn etag(&self) -> bool {
        false
    }

    /// Whether `ttlInSeconds` is kept.
    fn ttl(&self) -> bool {
        false
    }

    /// Whether the metadata `partitionKey` is used.
    fn partition_key(&self) -> bool {
        false
    }

    /// All-or-nothing operations on several keys, if the store has them.
    fn transactional(&self) -> Option<&dyn Transactional> {
        None
    }

    /// Removal of all keys below a prefix, if the store has it.
    fn prefix_removal(&self) -> Option<&dyn PrefixRemoval> {
        None
    }

    /// Listing of keys by pattern, if the store has it.
    fn key_listing(&self) -> Option<&dyn KeyListing> {
        None
    }

    /// Search over values, if the store has it.
    fn queryable(&self) -> Option<&dyn Queryable> {
        None
    }

    /// The abilities as the metadata API names them, in the target's order. They follow from the methods above, so that
    /// none can be claimed without being there. `ACTOR` is what the runtime adds for a store that can hold actors.
    fn capabilities(&self) -> Vec<&'static str> {
        let transactional = self.transactional().is_some();
        [
            (self.etag(), "ETAG"),
            (transactional, "TRANSACTIONAL"),
            (self.ttl(), "TTL"),
            (self.prefix_removal().is_some(), "DELETE_WITH_PREFIX"),
            (self.partition_key(), "PARTITION_KEY"),
            (self.key_listing().is_some(), "KEYS_LIKE"),
            (self.queryable().is_some(), "QUERY_API"),
            (self.etag() && transactional, "ACTOR"),
        ]
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name))
        .collect()
    }
}

/// A store that does several operations all or nothing.
#[async_trait]
pub trait Transactional: Send + Sync {
    /// Does the operations in order. ETags are compared with what was stored before the transaction. If one operation
    /// is refused, nothing is changed.
    async fn transact(&self, context: &CallContext, transaction: &Transaction) -> Result<(), Error>;

    /// How many operations a transaction may have; `None` for any number.
    fn maximum_operations(&self) -> Option<usize> {
        None
    }
}

/// A store that removes all keys below a prefix.
#[async_trait]
pub trait PrefixRemoval: Send + Sync {
    /// Removes the keys that start with the prefix and have no further `||` behind it, and says how many there were. A
    /// prefix that does not end in `||` gets it; an empty one is refused (see [`expand_prefix`]).
    async fn delete_with_prefix(&self, context: &CallContext, prefix: &str) -> Result<u64, Error>;
}

/// A store that lists its keys.
#[async_trait]
pub trait KeyListing: Send + Sync {
    /// The keys that match a pattern.
    async fn keys_like(&self, context: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error>;
}

/// A store that searches its values, which must be JSON.
#[async_trait]
pub trait Queryable: Send + Sync {
    /// One page of what matches. Keys are answered as they are stored. A filter or an order that the store cannot do is
    /// `InvalidArgument`.
    async fn query(&self, context: &CallContext, request: &QueryRequest) -> Result<QueryPage, Error>;
}

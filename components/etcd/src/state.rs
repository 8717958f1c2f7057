//! `state.etcd`, versions 1 and 2: state in the target's layouts, so that either side reads what the other wrote. The key's
//! last revision is its ETag; a value that ends hangs on a lease. Called through `loaded`.

mod change;
mod listing;
mod schema;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use component::state::{
    BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, KeyListing, Operation, PrefixRemoval, SetRequest,
    StateStore, Stored, Transaction, Transactional,
};
use component::{Backend, CallContext, Clock, Constructing, Error, ErrorKind, Settings, Setup};
use futures_util::future::join_all;

use crate::client::Client;
use crate::messages::{RangeRequest, RangeResponse, RequestKind, RequestOp, ResponseKind, TxnRequest};
use crate::{endpoints, tls};
use change::Change;
use schema::Schema;

/// Requests of one bulk request that are under way at once.
const AT_ONCE: usize = 16;

/// The metadata of both versions.
#[derive(Settings)]
pub(crate) struct StateSettings {
    /// Addresses of the members of etcd, `host:port`, separated by commas.
    #[setting(required)]
    endpoints: String,
    /// What stands before each key, with a `/` behind it.
    key_prefix_path: String,
    /// Whether to use TLS; `ca`, `cert` and `key` are needed then.
    tls_enable: bool,
    /// Certificates that may vouch for etcd, as PEM.
    ca: String,
    /// Our certificate, as PEM.
    cert: String,
    /// Key of our certificate, as PEM.
    #[setting(secret)]
    key: String,
    /// How many operations a transaction may have; the server's own limit is its flag `--max-txn-ops`.
    #[setting(default = "128", min = 1, max = 1000000)]
    max_txn_ops: usize,
}

struct EtcdState {
    client: Client,
    /// What stands before each key.
    base: String,
    schema: Schema,
    clock: Clock,
    max_operations: usize,
}

/// Makes the store of version 1.
pub(crate) fn construct_v1(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move { EtcdState::open(setup, Schema::Plain) })
}

/// Makes the store of version 2.
pub(crate) fn construct_v2(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move { EtcdState::open(setup, Schema::Envelope) })
}

impl EtcdState {
    /// Does not connect, as the target does not: etcd may come later.
    fn open(setup: Setup, schema: Schema) -> Result<Arc<dyn StateStore>, Error> {
        let settings = StateSettings::parse(&setup.properties)?;
        let endpoints = endpoints::parse(&settings.endpoints)?;
        let tls = match settings.tls_enable {
            true if [&settings.ca, &settings.cert, &settings.key].iter().any(|text| text.is_empty()) => {
                let message = "tls authentication information is incomplete: expected ca, cert and key";
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
            true => Some(tls::client(&settings.ca, &settings.cert, &settings.key)?),
            false => None,
        };
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.secure.is_some_and(|on| on != tls.is_some()))
        {
            let message = format!("the endpoint of {} says http or https, and tlsEnable the opposite", endpoint.host);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(Arc::new(Self {
            client: Client::new(endpoints, tls, setup.host.tasks),
            base: format!("{}/", settings.key_prefix_path),
            schema,
            clock: setup.host.clock,
            max_operations: settings.max_txn_ops,
        }))
    }

    /// A key as it is called in etcd.
    fn full(&self, key: &str) -> Bytes {
        format!("{}{key}", self.base).into()
    }

    /// The one value found, as callers get it.
    fn stored(&self, found: &RangeResponse) -> Result<Option<Stored>, Error> {
        let Some(found) = found.kvs.first() else { return Ok(None) };
        let decoded = self.schema.decode(&found.value)?;
        let etag = Some(found.mod_revision.to_string().into());
        let metadata = decoded.metadata();
        Ok(Some(Stored { data: decoded.data, etag, metadata }))
    }

    async fn bulk(
        &self,
        changes: Vec<Result<Change, Error>>,
        keys: Vec<&str>,
        options: BulkOptions,
    ) -> Result<(), BulkError> {
        let at_once = options.parallelism.unwrap_or(AT_ONCE).clamp(1, AT_ONCE);
        let mut failed = Vec::new();
        let mut pairs = changes.into_iter().zip(keys).peekable();
        while pairs.peek().is_some() {
            let chunk: Vec<_> = pairs.by_ref().take(at_once).collect();
            let outcomes = join_all(chunk.into_iter().map(|(change, key)| async move {
                let outcome = match change {
                    Ok(change) => self.commit(vec![change]).await,
                    Err(error) => Err(error),
                };
                (key, outcome)
            }));
            for (key, outcome) in outcomes.await {
                if let Err(error) = outcome {
                    failed.push((key.to_owned(), error));
                }
            }
        }
        BulkError::from_items(failed)
    }
}

#[async_trait]
impl Backend for EtcdState {
    async fn close(&self) -> Result<(), Error> {
        self.client.close().await;
        Ok(())
    }
}

#[async_trait]
impl StateStore for EtcdState {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error> {
        let key = self.full(&request.key);
        let range = RangeRequest { key, ..RangeRequest::default() };
        let doing = format!("couldn't get key {}{}", self.base, request.key);
        self.stored(&self.client.range(&range, &doing).await?)
    }

    async fn bulk_get(&self, _: &CallContext, requests: &[GetRequest], _: BulkOptions) -> Result<Vec<BulkItem>, Error> {
        let mut items = Vec::with_capacity(requests.len());
        for requests in requests.chunks(self.max_operations) {
            let success = requests.iter().map(|request| read_one(self.full(&request.key))).collect();
            let transaction = TxnRequest { success, ..TxnRequest::default() };
            let answer = self.client.ranges(&transaction, "couldn't get keys").await?;
            let mut answers = answer.responses.into_iter();
            for request in requests {
                let found = match answers.next().and_then(|answer| answer.response) {
                    Some(ResponseKind::Range(range)) => range,
                    _ => return Err(Error::new(ErrorKind::Internal, "etcd answered less than it was asked")),
                };
                items.push(BulkItem { key: request.key.clone(), result: self.stored(&found) });
            }
        }
        Ok(items)
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<(), Error> {
        self.commit(vec![Change::write(request, self.full(&request.key))?]).await
    }

    async fn bulk_set(&self, _: &CallContext, requests: &[SetRequest], options: BulkOptions) -> Result<(), BulkError> {
        let changes = requests.iter().map(|request| Change::write(request, self.full(&request.key))).collect();
        self.bulk(changes, requests.iter().map(|request| request.key.as_str()).collect(), options).await
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<(), Error> {
        self.commit(vec![Change::removal(request, self.full(&request.key))?]).await
    }

    async fn bulk_delete(
        &self,
        _: &CallContext,
        requests: &[DeleteRequest],
        options: BulkOptions,
    ) -> Result<(), BulkError> {
        let changes = requests.iter().map(|request| Change::removal(request, self.full(&request.key))).collect();
        self.bulk(changes, requests.iter().map(|request| request.key.as_str()).collect(), options).await
    }

    fn etag(&self) -> bool {
        true
    }

    fn ttl(&self) -> bool {
        true
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn prefix_removal(&self) -> Option<&dyn PrefixRemoval> {
        Some(self)
    }

    fn key_listing(&self) -> Option<&dyn KeyListing> {
        Some(self)
    }
}

#[async_trait]
impl Transactional for EtcdState {
    async fn transact(&self, _: &CallContext, transaction: &Transaction) -> Result<(), Error> {
        let changes = transaction.operations.iter().map(|operation| match operation {
            Operation::Upsert(request) => Change::write(request, self.full(&request.key)),
            Operation::Delete(request) => Change::removal(request, self.full(&request.key)),
        });
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        if changes.is_empty() { Ok(()) } else { self.commit(changes).await }
    }

    fn maximum_operations(&self) -> Option<usize> {
        Some(self.max_operations)
    }
}

/// Reads one key within a transaction.
fn read_one(key: Bytes) -> RequestOp {
    RequestOp { request: Some(RequestKind::Range(RangeRequest { key, ..RangeRequest::default() })) }
}

#[cfg(test)]
mod tests {
    use component::{Host, Properties, Tasks};

    use super::*;

    fn why(given: &[(&str, &str)]) -> String {
        let host = Host::new("app", "", Tasks::new(|_, _| {}));
        let properties: Properties = given.iter().copied().collect();
        let setup = Setup { name: "store".to_owned(), properties, host };
        EtcdState::open(setup, Schema::Plain).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn a_store_is_made_without_its_server() {
        assert_eq!(why(&[("endpoints", "localhost:1"), ("tlsEnable", "false")]), "");
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        assert!(why(&[]).contains("endpoints"));
        assert!(why(&[("endpoints", "a:1"), ("tlsEnable", "true"), ("ca", "x")]).contains("incomplete"));
        assert!(why(&[("endpoints", "https://a:1")]).contains("opposite"));
        let all = [("endpoints", "a:1"), ("tlsEnable", "true"), ("ca", "x"), ("cert", "y"), ("key", "s3cret")];
        let said = why(&all);
        assert!(said.starts_with("tls authentication error: ca"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

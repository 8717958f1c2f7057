//! What the state API means, whatever door it comes through. Called by `front`; it knows no HTTP and no gRPC, and
//! answers with an [`Error`] that says what happened, not how it looks outside.

mod admission;
mod encryption;
mod error;
mod key;
mod listing;
mod search;

use std::sync::Arc;

pub use component::state::{
    BulkError, BulkItem, Concurrency, Consistency, DeleteRequest, GetRequest, Operation, Options, QueryPage,
    SetRequest, Stored, Transaction,
};
use component::state::{BulkOptions, StateStore};
use component::{CallContext, Family, Metadata};
use loaded::{LoadedComponents, Pinned};
use telemetry::metrics::Operations;

pub(crate) use admission::admit;
pub use error::Error;
pub use listing::{KeyList, ListKeys, MAX_PAGE};

use encryption::Encryption;
use key::KeyLayout;

/// The state API of one app.
#[derive(Clone)]
pub struct State {
    app: Arc<str>,
    namespace: Arc<str>,
    components: LoadedComponents,
    counts: Operations,
}

/// One state store, held for one request. The keys of its requests are the app's own; its answers give them back so.
pub struct Store<'a> {
    name: &'a str,
    app: &'a str,
    namespace: &'a str,
    store: Pinned<dyn StateStore>,
    counts: &'a Operations,
}

/// Asks for many keys at once.
#[derive(Debug, Clone, Default)]
pub struct BulkGet {
    /// The keys.
    pub keys: Vec<String>,
    /// For the store, with every key.
    pub metadata: Metadata,
    /// How many keys a store without bulk reads may fetch at once; `None` or zero for its own choice.
    pub parallelism: Option<usize>,
}

impl State {
    /// The state API over `components` for an app. `namespace` is empty where none is set: only the variable
    /// `NAMESPACE` counts, never a default.
    pub fn new(app: Arc<str>, namespace: Arc<str>, components: LoadedComponents) -> Self {
        Self { app, namespace, components, counts: Operations::default() }
    }

    /// Counts what stores are asked.
    #[must_use]
    pub fn counted(self, counts: Operations) -> Self {
        Self { counts, ..self }
    }

    /// The store of a name. Doors ask for it before they read a request's body, so that a wrong name is told first.
    ///
    /// # Errors
    /// `NotConfigured` where there is no state store at all, otherwise `NotFound`.
    pub fn store<'a>(&'a self, name: &'a str) -> Result<Store<'a>, Error> {
        let pinned = self.components.state_store(name).and_then(|store| store.pin().ok());
        match pinned {
            Some(store) => Ok(Store { name, app: &self.app, namespace: &self.namespace, store, counts: &self.counts }),
            None if self.components.has_any(Family::State) => Err(Error::NotFound { store: name.to_owned() }),
            None => Err(Error::NotConfigured { store: name.to_owned() }),
        }
    }
}

impl Store<'_> {
    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// `IllegalKey` or `Get`.
    pub async fn get(&self, context: &CallContext, mut request: GetRequest) -> Result<Option<Stored>, Error> {
        let key = self.complete(&mut request.key)?;
        self.prepare(&mut request.metadata);
        let started = self.counts.start();
        let got = self.store.call(context, "get", |store| store.get(context, &request)).await;
        self.counts.done(started, (self.name, "get"), &got);
        let opened = got.and_then(|stored| stored.map(|stored| self.open(stored)).transpose());
        opened.map_err(|source| Error::Get { store: self.name.to_owned(), key, source })
    }

    /// The values of many keys, one item per key and in their order. A key that cannot be read is an item with an
    /// error.
    ///
    /// # Errors
    /// `IllegalKey` or `BulkGet`.
    pub async fn bulk_get(&self, context: &CallContext, mut request: BulkGet) -> Result<Vec<BulkItem>, Error> {
        if request.keys.is_empty() {
            return Ok(Vec::new());
        }
        self.prepare(&mut request.metadata);
        let complete = |mut key: String| {
            self.complete(&mut key)?;
            Ok(GetRequest { key, metadata: request.metadata.clone(), ..GetRequest::default() })
        };
        let requests = request.keys.into_iter().map(complete).collect::<Result<Vec<_>, Error>>()?;
        let options = BulkOptions { parallelism: request.parallelism.filter(|limit| *limit > 0) };
        let started = self.counts.start();
        let got = self.store.call(context, "bulk get", |store| store.bulk_get(context, &requests, options)).await;
        self.counts.done(started, (self.name, "bulk_get"), &got);
        let items = got.map_err(|source| Error::BulkGet { store: self.name.to_owned(), source })?;
        let original = |item: BulkItem| BulkItem {
            key: key::original(&item.key).to_owned(),
            result: item.result.and_then(|stored| stored.map(|stored| self.open(stored)).transpose()),
        };
        Ok(items.into_iter().map(original).collect())
    }

    /// Stores values. One is stored by itself; of many, some may be stored while others fail.
    ///
    /// # Errors
    /// `EmptyKey` and `IllegalKey`, before anything is stored; `Save`.
    pub async fn save(&self, context: &CallContext, mut requests: Vec<SetRequest>) -> Result<(), Error> {
        for request in &mut requests {
            if request.key.is_empty() {
                return Err(Error::EmptyKey { store: self.name.to_owned() });
            }
            self.complete(&mut request.key)?;
            if let Some(encryption) = self.encryption() {
                let sealed = encryption.seal_request(request);
                sealed.map_err(|source| Error::Save { store: self.name.to_owned(), source: source.into() })?;
            }
        }
        let started = self.counts.start();
        let saved = match requests.as_slice() {
            [] => Ok(()),
            [one] => self.store.call(context, "set", |store| store.set(context, one)).await.map_err(Into::into),
            many => {
                let options = BulkOptions::default();
                self.store.call(context, "bulk set", |store| store.bulk_set(context, many, options)).await
            }
        };
        self.counts.done(started, (self.name, "set"), &saved);
        saved.map_err(|source| Error::Save { store: self.name.to_owned(), source })
    }

    /// Removes a key.
    ///
    /// # Errors
    /// `IllegalKey` or `Delete`.
    pub async fn delete(&self, context: &CallContext, mut request: DeleteRequest) -> Result<(), Error> {
        let key = self.complete(&mut request.key)?;
        self.prepare(&mut request.metadata);
        let started = self.counts.start();
        let deleted = self.store.call(context, "delete", |store| store.delete(context, &request)).await;
        self.counts.done(started, (self.name, "delete"), &deleted);
        deleted.map_err(|source| Error::Delete { store: self.name.to_owned(), key, source })
    }

    /// Removes many keys; some may be removed while others fail.
    ///
    /// # Errors
    /// `IllegalKey`, before anything is removed; `BulkDelete`.
    pub async fn bulk_delete(&self, context: &CallContext, mut requests: Vec<DeleteRequest>) -> Result<(), Error> {
        for request in &mut requests {
            self.complete(&mut request.key)?;
            self.prepare(&mut request.metadata);
        }
        let started = self.counts.start();
        let deleted = match requests.as_slice() {
            [] => Ok(()),
            [one] => self.store.call(context, "delete", |store| store.delete(context, one)).await.map_err(Into::into),
            many => {
                let options = BulkOptions::default();
                self.store.call(context, "bulk delete", |store| store.bulk_delete(context, many, options)).await
            }
        };
        self.counts.done(started, (self.name, "bulk_delete"), &deleted);
        deleted.map_err(|source| Error::BulkDelete { store: self.name.to_owned(), source })
    }

    /// Whether the store does transactions. Doors ask before they read the operations.
    ///
    /// # Errors
    /// `TransactionsNotSupported`.
    pub fn require_transactions(&self) -> Result<(), Error> {
        match self.store.transactional() {
            Some(_) => Ok(()),
            None => Err(Error::TransactionsNotSupported { store: self.name.to_owned() }),
        }
    }

    /// Does operations in order, all or nothing. No operations are no error.
    ///
    /// # Errors
    /// `TransactionsNotSupported`, `IllegalKey`, `TooManyOperations`, `Transaction`.
    pub async fn transact(&self, context: &CallContext, mut transaction: Transaction) -> Result<(), Error> {
        self.require_transactions()?;
        if transaction.operations.is_empty() {
            return Ok(());
        }
        for operation in &mut transaction.operations {
            self.complete(match operation {
                Operation::Upsert(request) => &mut request.key,
                Operation::Delete(request) => &mut request.key,
            })?;
        }
        let count = transaction.operations.len();
        let maximum = self.store.transactional().and_then(|store| store.maximum_operations());
        if let Some(maximum) = maximum.filter(|maximum| count > *maximum) {
            return Err(Error::TooManyOperations { store: self.name.to_owned(), count, maximum });
        }
        if let Some(encryption) = self.encryption() {
            let sealed = encryption.seal_operations(&mut transaction.operations);
            sealed.map_err(|source| Error::Transaction { store: self.name.to_owned(), source })?;
        }
        let transaction = &transaction;
        let done =
            self.store.call(context, "transaction", async |store: &dyn StateStore| match store.transactional() {
                Some(transactional) => transactional.transact(context, transaction).await,
                None => Err(component::Error::new(component::ErrorKind::NotSupported, "no transactions")),
            });
        let done = self.counts.watch(self.name, "transaction", done).await;
        done.map_err(|source| Error::Transaction { store: self.name.to_owned(), source })
    }

    /// Whether values are stored encrypted. Texts are then stored without the quotes of JSON, as the target does it.
    pub fn encrypts(&self) -> bool {
        self.encryption().is_some()
    }

    fn encryption(&self) -> Option<&Encryption> {
        self.store.details().settings()
    }

    fn open(&self, stored: Stored) -> Result<Stored, component::Error> {
        match self.encryption() {
            Some(encryption) => encryption.open_stored(stored),
            None => Ok(stored),
        }
    }

    /// Makes the metadata of a read or removal fit how this store keeps values.
    fn prepare(&self, metadata: &mut Metadata) {
        if self.encrypts() {
            encryption::forget_content_type(metadata);
        }
    }

    fn layout(&self) -> KeyLayout<'_> {
        KeyLayout::of(self.store.details(), self.app, self.namespace)
    }

    /// Makes a key what it is called in the store; gives back what the app called it.
    fn complete(&self, key: &mut String) -> Result<String, Error> {
        let complete = self.layout().complete(key).map_err(|illegal| Error::IllegalKey {
            store: self.name.to_owned(),
            key: key.clone(),
            message: illegal.to_string(),
        })?;
        Ok(std::mem::replace(key, complete))
    }
}

#[cfg(test)]
mod tests;

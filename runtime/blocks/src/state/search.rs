//! Queries: the search over values that some stores have. Called by `front`. As in the target, a query sees every key of the
//! store, whatever its prefix.

use component::state::{Query, QueryPage, QueryRequest, StateStore};
use component::{CallContext, Metadata};

use super::{Error, Store, key};

impl Store<'_> {
    /// Searches values. Keys are answered as apps call them.
    ///
    /// # Errors
    /// `QueryNotSupported` or `Query`.
    pub async fn query(&self, context: &CallContext, text: &str, metadata: Metadata) -> Result<QueryPage, Error> {
        if self.store.queryable().is_none() {
            return Err(Error::QueryNotSupported { store: self.name.to_owned() });
        }
        let failed = |message: String| Error::Query { store: self.name.to_owned(), message };
        if self.encrypts() {
            return Err(failed("cannot query encrypted store".to_owned()));
        }
        let query = Query::parse(text).map_err(|error| failed(format!("failed to parse JSON query body: {error}")))?;
        let request = &QueryRequest { query, metadata };
        let asked = self.store.call(context, "query", async |store: &dyn StateStore| match store.queryable() {
            Some(queryable) => queryable.query(context, request).await,
            None => Err(component::Error::new(component::ErrorKind::NotSupported, "no queries")),
        });
        let asked = self.counts.watch(self.name, "query", asked).await;
        let mut page = asked.map_err(|source: component::Error| failed(source.to_string()))?;
        for (key, _) in &mut page.results {
            *key = key::original(key).to_owned();
        }
        Ok(page)
    }
}

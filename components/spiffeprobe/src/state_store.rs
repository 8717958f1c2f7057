//! `state.spiffeprobe`: every key reads as which identity sources the store was given. It keeps nothing, and says so.

use std::sync::Arc;

use async_trait::async_trait;
use component::state::{BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, SetRequest, StateStore, Stored};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Setup};

struct Probe {
    has_identity: bool,
}

/// Makes the probe.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move {
        let store: Arc<dyn StateStore> = Arc::new(Probe { has_identity: setup.host.identity.is_some() });
        Ok(store)
    })
}

impl Probe {
    fn report(&self) -> Stored {
        let has = self.has_identity;
        Stored { data: format!("{{\"jwt\":{has},\"x509\":{has}}}").into_bytes().into(), ..Stored::default() }
    }
}

fn keeps_nothing() -> Error {
    Error::new(ErrorKind::NotSupported, "state.spiffeprobe keeps nothing")
}

#[async_trait]
impl Backend for Probe {}

#[async_trait]
impl StateStore for Probe {
    async fn get(&self, _: &CallContext, _: &GetRequest) -> Result<Option<Stored>, Error> {
        Ok(Some(self.report()))
    }

    async fn bulk_get(&self, _: &CallContext, requests: &[GetRequest], _: BulkOptions) -> Result<Vec<BulkItem>, Error> {
        let item = |request: &GetRequest| BulkItem { key: request.key.clone(), result: Ok(Some(self.report())) };
        Ok(requests.iter().map(item).collect())
    }

    async fn set(&self, _: &CallContext, _: &SetRequest) -> Result<(), Error> {
        Err(keeps_nothing())
    }

    async fn bulk_set(&self, _: &CallContext, _: &[SetRequest], _: BulkOptions) -> Result<(), BulkError> {
        Err(BulkError::Whole(keeps_nothing()))
    }

    async fn delete(&self, _: &CallContext, _: &DeleteRequest) -> Result<(), Error> {
        Err(keeps_nothing())
    }

    async fn bulk_delete(&self, _: &CallContext, _: &[DeleteRequest], _: BulkOptions) -> Result<(), BulkError> {
        Err(BulkError::Whole(keeps_nothing()))
    }
}

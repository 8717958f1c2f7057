//! `secretstores.spiffeprobe`: every secret reads as a fixed value, and one reserved name as what the store saw when it was
//! last asked for another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use component::secrets::{Secret, SecretStore};
use component::{Backend, CallContext, Constructing, Error, Host, Metadata, Setup};

/// The name of the report.
const REPORT: &str = "__resolution__";

struct Probe {
    host: Host,
    /// Whether there was an identity at the last question, if there was one.
    seen: Mutex<Option<bool>>,
}

/// Makes the probe.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn SecretStore> {
    Box::pin(async move {
        let store: Arc<dyn SecretStore> = Arc::new(Probe { host: setup.host, seen: Mutex::new(None) });
        Ok(store)
    })
}

#[async_trait]
impl Backend for Probe {}

#[async_trait]
impl SecretStore for Probe {
    async fn get(&self, _: &CallContext, name: &str, _: &Metadata) -> Result<Secret, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if name == REPORT {
            let had = seen.unwrap_or_default().to_string();
            let report = [("recorded", seen.is_some().to_string()), ("x509", had.clone()), ("jwt", had)];
            return Ok(Secret(report.map(|(name, value)| (name.to_owned(), value)).into()));
        }
        *seen = Some(self.host.identity.is_some());
        Ok(Secret(BTreeMap::from([(name.to_owned(), "resolved".to_owned())])))
    }

    async fn get_all(&self, _: &CallContext, _: &Metadata) -> Result<BTreeMap<String, Secret>, Error> {
        Ok(BTreeMap::new())
    }
}

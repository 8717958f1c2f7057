//! What every backend has in common, whatever its building block. Implemented by `components/*`, called by `loaded`; it
//! must not grow methods that only one building block needs.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::Error;

/// Names and values that travel with one request or answer, such as `ttlInSeconds` or `partitionKey`.
pub type Metadata = BTreeMap<String, String>;

/// A loaded component of any building block.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Gives back what the backend holds (connections, tasks). Called once, after its last call has ended; no other
    /// method is called afterwards.
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

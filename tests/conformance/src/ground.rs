//! What a backend stands on while it is tested: its servers or files. Each backend's file says how to start them; the
//! harness starts them once per run, when the first check needs them, and drops them at its end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use component::Variables;

/// The future of a ground that is being prepared.
pub type Starting = Pin<Box<dyn Future<Output = Result<Arc<dyn Ground>, Unavailable>> + Send>>;

/// Servers or files that are ready for a backend. Dropping it stops and removes what it started, and nothing else.
#[async_trait]
pub trait Ground: Send + Sync {
    /// The metadata of a component on this ground, as its resource would have it.
    fn properties(&self) -> Vec<(String, String)>;

    /// The environment variables of the process that the backend lives in.
    fn variables(&self) -> Variables {
        Variables::default()
    }

    /// Kills the server and starts it again with the same data. For backends with `Capability::Restart`; a check that asks
    /// for it has a ground of its own.
    async fn restart(&self) {
        panic!("the backend declares a restart, its ground has none")
    }

    /// Writes a configuration value with its version, or removes it (`None`), the way an operator would. For grounds of
    /// configuration stores.
    async fn configure(&self, key: &str, value: Option<(&str, &str)>) {
        panic!("the ground of a configuration store can write {value:?} to {key}; this one cannot")
    }
}

/// Why a ground cannot be prepared on this machine: what is missing, and what would bring it.
#[derive(Debug)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// No ground at all: the backend keeps everything in itself.
pub struct Memory;

impl Memory {
    /// Ready at once.
    pub fn start() -> Starting {
        Box::pin(async { Ok(Arc::new(Memory) as Arc<dyn Ground>) })
    }
}

impl Ground for Memory {
    fn properties(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

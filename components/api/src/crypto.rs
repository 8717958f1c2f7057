//! What a provider of cryptography offers. Implemented by backends, called through `loaded` by the cryptography block.

use async_trait::async_trait;

use crate::Backend;

/// A holder of keys that works with them.
#[async_trait]
pub trait CryptoProvider: Backend {}

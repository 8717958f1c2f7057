//! What a service that converses offers. Implemented by backends, called through `loaded` by the conversation block.

use async_trait::async_trait;

use crate::Backend;

/// A language model behind a service.
#[async_trait]
pub trait Conversation: Backend {}

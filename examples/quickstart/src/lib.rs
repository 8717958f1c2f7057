//! What the apps of the quickstart need: a server of one port, and requests to their own sidecar. An app in any language
//! does the same with its HTTP client or with a Dapr SDK; nothing here is part of the runtime.

mod server;
mod settings;
mod sidecar;

pub use server::{respond, serve, text_of};
pub use settings::number;
pub use sidecar::Sidecar;

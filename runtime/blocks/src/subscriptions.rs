//! Subscriptions: from a broker to whoever gets the messages, and nothing lost on the way.
//!
//! The sidecar makes one [`Subscriptions`], starts what the app asked for when the app is well, ends it when it is not, and
//! drains everything before components close. The gRPC door adds what streams ask for. Which message is acknowledged when:
//! `docs/decisions`, "the delivery rule". Nothing here knows a broker, HTTP or gRPC.

mod bulk;
mod deliver;
mod drain;
mod error;
mod ingress;
mod message;
mod registry;
mod routes;
mod running;
mod sources;
mod start;
mod verdict;

#[cfg(test)]
mod tests;

pub use app::events::{Events, StreamRecipient};
pub use error::Error;
pub use registry::{Parts, StreamHandle, Subscriptions};

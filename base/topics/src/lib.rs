//! The message broker of the hub: topics whose messages lie in a ledger, consumer groups that each get every message, redelivery,
//! delays, order by key. Nothing here knows how clients talk to the hub.

mod broker;
mod command;
mod delayed;
mod deliver;
mod error;
mod group;
mod message;
mod names;
mod settled;
mod store;
mod sweep;
mod topic;

pub use broker::{Broker, Consumer, Parts, Subscription};
pub use command::{Attach, GroupOptions, GroupStatus, Outgoing, Settlement, TopicName, TopicStatus, Window};
pub use error::Error;
pub use message::{Message, Publication, When};
pub use store::{Change, Kept, Store};

#[cfg(test)]
mod broker_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

//! What each API means, whatever door it was asked through.

mod admission;
pub mod configuration;
pub mod conversation;
pub mod crypto;
pub mod health;
pub mod invoke;
pub mod lock;
pub mod metadata;
pub mod pubsub;
pub mod secrets;
pub mod state;
pub mod subscriptions;

pub use admission::admit;
pub use component::{CallContext, Cancel, Error as ComponentError, ErrorKind, Metadata, Trace};

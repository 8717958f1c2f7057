//! What publishing and subscribing mean, whatever door they come through. Called by `front`; it knows no HTTP and no gRPC.

mod canonical;
mod content_type;
mod date;
mod egress;
mod envelope;
mod error;
mod metadata;
mod publish;
mod rules;

pub use canonical::canonical;
pub use content_type::Content;
pub use error::{Error, Place};
pub use publish::{Entry, Event, NotTaken, PubSub, Topic};
pub use rules::TopicRules;

pub(crate) use metadata::is_raw;
pub(crate) use rules::admit;

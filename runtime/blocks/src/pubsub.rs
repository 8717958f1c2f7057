//! What publishing and subscribing mean, whatever door they come through. Called by `front`; it knows no HTTP and no gRPC.

mod rules;

pub use rules::TopicRules;

pub(crate) use rules::admit;

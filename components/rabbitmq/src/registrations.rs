//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::pubsub;
use crate::settings::RabbitSettings;

/// The broker on RabbitMQ.
pub const REGISTRATIONS: &[Registration] = &[Registration {
    component_type: "pubsub.rabbitmq",
    aliases: &[],
    version: Version::Any,
    summary: "Publishes to exchanges of RabbitMQ and reads from queues of it.",
    fields: RabbitSettings::FIELDS,
    constructor: Constructor::PubSub(pubsub::construct),
}];

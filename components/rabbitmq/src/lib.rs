//! Components on RabbitMQ: `pubsub.rabbitmq`, with the target's names of exchanges and queues, so that both may share them.

mod attempts;
mod failure;
mod link;
mod message;
mod place;
mod publisher;
mod pubsub;
mod receipt;
mod registrations;
mod settings;
mod subscription;
mod tls;
mod topology;
mod wire;

pub use registrations::REGISTRATIONS;

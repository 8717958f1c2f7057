//! The messages and stubs of every gRPC service that the runtime serves or calls, one module per service family.
//!
//! Everything under `gen/` is written by `cargo xtask gen` from `contracts/proto`; `cargo xtask gen --check` holds it
//! there. Payload fields are [`bytes::Bytes`], so that taking a message apart copies no body. This crate decides nothing:
//! no defaults, no conversions beyond [`Any`].

mod any;
mod descriptors;
mod packages;

pub use any::Any;
pub use descriptors::DESCRIPTORS;
pub use packages::dapr::proto::common::v1 as common;
pub use packages::dapr::proto::components::v1 as components;
pub use packages::dapr::proto::internals::v1 as internals;
pub use packages::dapr::proto::operator::v1 as operator;
pub use packages::dapr::proto::placement::v1 as placement;
pub use packages::dapr::proto::runtime::v1 as runtime;
pub use packages::dapr::proto::scheduler::v1 as scheduler;
pub use packages::dapr::proto::sentry::v1 as sentry;
pub use packages::dapr::proto::workflows::v1 as workflows;
pub use packages::google::rpc as google_rpc;
pub use packages::taskhub;
pub use packages::taskhub::durabletask::protos::backend::v1 as taskhub_backend;
pub use packages::trilby::hub::v1 as hub;
pub use prost_types::{Duration, Struct, Timestamp};

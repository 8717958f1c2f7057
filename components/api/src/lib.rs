//! What a backend implements and what it is given: the traits of the building blocks, `Settings`, `Registration`,
//! `Error`.

#[cfg(test)]
extern crate self as component;

mod backend;
pub mod backoff;
mod byte_size;
pub mod cluster;
pub mod configuration;
mod context;
pub mod conversation;
pub mod crypto;
mod error;
mod family;
mod host;
pub mod http;
mod identity;
pub mod lock;
pub mod middleware;
mod nearest;
mod properties;
pub mod pubsub;
mod registration;
mod registry;
pub mod resolver;
mod runtime_fields;
pub mod secrets;
pub mod settings;
mod spec;
pub mod state;
mod variables;

pub use backend::{Backend, Metadata};
pub use byte_size::ByteSize;
pub use cluster::Cluster;
pub use component_derive::Settings;
pub use context::{CallContext, Cancel, Trace};
pub use error::{Error, ErrorKind, Retry};
pub use family::Family;
pub use host::{Clock, Host, Tasks};
pub use http::HttpClient;
pub use identity::{IdentityCertificate, IdentitySource, IdentityToken};
pub use nearest::nearest;
pub use properties::{Properties, Unrecognized};
pub use registration::{Constructing, Constructor, Registration, Setup, Version};
pub use registry::{LookupError, Registry};
pub use runtime_fields::runtime_fields;
pub use settings::{Field, Judgement, Settings, SettingsError};
pub use spec::{MetadataItem, SecretReference, Spec};
pub use variables::Variables;

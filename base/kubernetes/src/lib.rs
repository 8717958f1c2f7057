//! A thin client of the Kubernetes API: get, create, replace, patch, and a list that is followed by a watch. It speaks JSON,
//! asks for no discovery, and holds no list in memory as a whole. Used by the control plane, and by what reads secrets.

mod access;
mod client;
mod config;
mod error;
mod exec;
mod follow;
mod json_stream;
mod kubeconfig;
mod mirror;
mod object;
mod pause;
mod resource;

pub use client::{Client, Patch};
pub use config::{Config, ConfigError, SERVICE_ACCOUNT};
pub use error::{Error, Refusal};
pub use follow::{Change, Follow, Selection};
pub use mirror::Mirror;
pub use object::{Key, Object};
pub use resource::Resource;

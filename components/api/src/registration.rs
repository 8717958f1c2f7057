//! How a backend crate says what it offers: a `const` list of `Registration`. Read by `components/all` and `loaded`;
//! nothing here runs before it is asked to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::configuration::ConfigurationStore;
use crate::conversation::Conversation;
use crate::crypto::CryptoProvider;
use crate::lock::LockStore;
use crate::middleware::HttpMiddleware;
use crate::pubsub::PubSub;
use crate::secrets::SecretStore;
use crate::settings::Field;
use crate::state::StateStore;
use crate::{Error, Family, Host, Properties};

/// What a constructor returns: a future that ends when the backend is ready for calls. It may be dropped at any await.
pub type Constructing<T> = Pin<Box<dyn Future<Output = Result<Arc<T>, Error>> + Send>>;

/// One implementation of one component type (and of one of its versions).
#[derive(Debug)]
pub struct Registration {
    /// Full type in lower case, such as `state.in-memory`.
    pub component_type: &'static str,
    /// Other full types, in lower case, that mean the same.
    pub aliases: &'static [&'static str],
    /// Which versions in a resource mean this implementation.
    pub version: Version,
    /// One line for the reference page.
    pub summary: &'static str,
    /// The metadata it reads, from its `Settings`.
    pub fields: &'static [Field],
    /// Makes the backend.
    pub constructor: Constructor,
}

/// Which versions in a resource mean an implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The type has no versions: it answers to none, `v0` and `v1`.
    Any,
    /// The type has several versions; `v0` means nothing there.
    Named {
        /// Version in lower case, such as `v2`.
        name: &'static str,
        /// Whether an empty version means this one.
        default: bool,
        /// The version to use instead, if this one is deprecated.
        deprecated_for: Option<&'static str>,
    },
}

/// What a constructor is given.
#[derive(Debug)]
pub struct Setup {
    /// Name of the component.
    pub name: String,
    /// Its metadata with all references resolved.
    pub properties: Properties,
    /// The process it lives in.
    pub host: Host,
}

/// Makes a backend of one building block.
#[derive(Debug, Clone, Copy)]
pub enum Constructor {
    /// Makes a state store.
    StateStore(fn(Setup) -> Constructing<dyn StateStore>),
    /// Makes a secret store.
    SecretStore(fn(Setup) -> Constructing<dyn SecretStore>),
    /// Makes a configuration store.
    ConfigurationStore(fn(Setup) -> Constructing<dyn ConfigurationStore>),
    /// Makes a lock store.
    LockStore(fn(Setup) -> Constructing<dyn LockStore>),
    /// Makes a provider of cryptography.
    CryptoProvider(fn(Setup) -> Constructing<dyn CryptoProvider>),
    /// Makes a service that converses.
    Conversation(fn(Setup) -> Constructing<dyn Conversation>),
    /// Makes a message broker.
    PubSub(fn(Setup) -> Constructing<dyn PubSub>),
    /// Makes an HTTP middleware.
    HttpMiddleware(fn(Setup) -> Constructing<dyn HttpMiddleware>),
}

impl Registration {
    /// The family of its type.
    pub fn family(&self) -> Family {
        match self.constructor {
            Constructor::StateStore(_) => Family::State,
            Constructor::SecretStore(_) => Family::SecretStores,
            Constructor::ConfigurationStore(_) => Family::Configuration,
            Constructor::LockStore(_) => Family::Lock,
            Constructor::CryptoProvider(_) => Family::Crypto,
            Constructor::Conversation(_) => Family::Conversation,
            Constructor::PubSub(_) => Family::PubSub,
            Constructor::HttpMiddleware(_) => Family::Middleware,
        }
    }

    /// Whether a type in lower case means this implementation.
    pub fn is_called(&self, component_type: &str) -> bool {
        self.component_type == component_type || self.aliases.contains(&component_type)
    }
}

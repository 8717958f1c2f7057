//! Name resolution: how a sidecar makes itself known and finds the sidecars of other apps. Backends implement
//! [`Resolver`]; the mesh calls it through a cache of its own. It must not know how a lookup is retried or cached.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

mod configuration;

pub use configuration::Configuration;

/// A way for sidecars to find each other.
///
/// A call may be dropped at any await; the resolver survives it.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// Makes this instance known until [`Resolver::close`]. Returns once others can find it, or why they cannot.
    async fn register(&self, instance: &Instance) -> Result<(), Error>;

    /// Where the sidecars of one app are. At least one address, or [`Error::NotFound`].
    async fn resolve(&self, request: &ResolveRequest) -> Result<Resolved, Error>;

    /// Withdraws what was registered and ends everything that runs in the background. Calls after it fail.
    async fn close(&self) -> Result<(), Error>;
}

/// What a sidecar tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The app id others call.
    pub app_id: String,
    /// The namespace of the app; may be empty.
    pub namespace: String,
    /// The address others reach this host at: an IP address, or `localhost`.
    pub address: String,
    /// The port of calls between sidecars.
    pub internal_port: u16,
    /// The port of the HTTP API; 0 when there is none.
    pub http_port: u16,
    /// The port the app listens on; 0 when there is none.
    pub app_port: u16,
}

impl Instance {
    /// Where others reach it, in the form in which resolvers answer: `host:port`, an IPv6 address in brackets.
    pub fn endpoint(&self) -> String {
        let host = self.address.trim_start_matches('[').trim_end_matches(']');
        if host.contains(':') {
            format!("[{host}]:{}", self.internal_port)
        } else {
            format!("{host}:{}", self.internal_port)
        }
    }

    /// Refuses an instance that nobody could call, with the target's words.
    pub fn check(&self) -> Result<(), Error> {
        let missing = if self.app_id.is_empty() {
            "name is missing"
        } else if self.address.is_empty() {
            "address is missing"
        } else if self.internal_port == 0 {
            "port is missing or invalid"
        } else {
            return Ok(());
        };
        Err(Error::Configuration(missing.to_owned()))
    }
}

/// A question for the addresses of one app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolveRequest {
    /// The app id.
    pub id: String,
    /// The namespace of the app; resolvers of one flat space ignore it.
    pub namespace: String,
    /// The internal port to assume where the resolver knows only hosts: the caller's own.
    pub port: u16,
    /// More that a resolver of a special kind may want.
    pub data: Vec<(String, String)>,
    /// Whether a call waits for the answer.
    pub search: Search,
}

/// How long a resolver searches when it cannot know how many instances there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Search {
    /// A call waits: the first instance that answers is enough.
    #[default]
    First,
    /// Nobody waits: find every instance.
    All,
}

/// The answer to a [`ResolveRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Addresses in the form `host:port`, in no order; never empty in a correct answer.
    pub addresses: Vec<String>,
    /// How long the answer may be kept.
    pub freshness: Freshness,
}

/// How long an answer may be kept by who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// From this age on, the next use asks again in the background.
    pub refresh_after: Duration,
    /// From this age on, the answer is not used any more.
    pub expire_after: Duration,
}

impl Default for Freshness {
    /// What the target's runtime keeps an answer for when the resolver says nothing: 20 seconds.
    fn default() -> Self {
        Self { refresh_after: Duration::from_secs(15), expire_after: Duration::from_secs(20) }
    }
}

/// Why a resolver could not do what it was asked. The text is what the target says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The settings or the instance are wrong; asking again does not help.
    Configuration(String),
    /// Nobody answers to that app id now.
    NotFound(String),
    /// The network or the registry failed, or the resolver is closed; asking again may help.
    Unavailable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Configuration(message) | Self::NotFound(message) | Self::Unavailable(message)) = self;
        formatter.write_str(message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_cannot_be_called_is_refused() {
        let instance = Instance {
            app_id: "orders".into(),
            address: "127.0.0.1".into(),
            internal_port: 50002,
            ..Instance::default()
        };
        assert_eq!(instance.check(), Ok(()));
        let broken = [
            (Instance { app_id: String::new(), ..instance.clone() }, "name is missing"),
            (Instance { address: String::new(), ..instance.clone() }, "address is missing"),
            (Instance { internal_port: 0, ..instance }, "port is missing or invalid"),
        ];
        for (instance, message) in broken {
            assert_eq!(instance.check().unwrap_err().to_string(), message);
        }
    }
}

//! Sidecar to app: what we ask of the app.
//!
//! Called by `blocks` (invocation, later deliveries), `sidecar` (start-up and health) and, later, `actors`. It never decides
//! which app is meant: there is one app behind a sidecar.

mod channel;
mod endpoint;
pub mod events;
mod grpc;
mod health;
mod http;
mod ready;

pub use channel::{Address, Channel, Options, Protocol};
pub use endpoint::{Endpoint, EndpointError, EndpointSettings, Endpoints};
pub use health::{Health, HealthOptions};
pub use ready::wait_until_listening;

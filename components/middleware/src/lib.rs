//! HTTP middlewares: what stands in front of the API of the sidecar, or in front of the app.

mod answer;
mod bearer;
mod client_credentials;
mod fetch;
mod oauth2;
mod pattern;
mod rate_limit;
mod registrations;
mod route_alias;
mod route_checker;
mod token_endpoint;
mod uppercase;

pub use registrations::REGISTRATIONS;

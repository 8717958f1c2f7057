//! The error catalogue: how every failure of the runtime looks to an app, over HTTP and over gRPC.
//!
//! A building block makes an [`ApiError`] with the function of its row (`errors::state_get(key, store, error)`), and the
//! doors render it with [`http::render`] or [`grpc::render`]. No other crate knows a status code. The rows are one
//! table, [`catalogue`], from which docs/reference/errors.md is written. Codes, words and details are those of the
//! target, since SDKs and apps compare them; rows the target does not have say so.

// First, since the files of rows use its macros.
#[macro_use]
mod catalogue;

mod actor;
mod api_error;
mod binding;
mod codes;
mod component;
mod configuration;
mod conversation;
mod crypto;
mod door;
mod general;
pub mod grpc;
mod health;
pub mod http;
mod job;
pub mod json;
mod lock;
mod pubsub;
mod quoted;
mod row;
mod secret;
mod service_invocation;
mod state;
mod workflow;

pub use actor::*;
pub(crate) use api_error::Described;
pub use api_error::{ApiError, Details, FieldViolation, Resource};
pub use binding::*;
pub use catalogue::{Entry, catalogue};
pub use codes::{code_name, grpc_from_http, http_from_grpc, reason_phrase, rpc_error_text, status_from_http_response};
pub use component::*;
pub use configuration::*;
pub use conversation::*;
pub use crypto::*;
pub use door::*;
pub use general::*;
pub use health::*;
pub use job::*;
pub use lock::*;
pub use pubsub::*;
pub use row::{Category, DetailKind, Family, Help, Row, Sent};
pub use secret::*;
pub use service_invocation::*;
pub use state::*;
pub use workflow::*;

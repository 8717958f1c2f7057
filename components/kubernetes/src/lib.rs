//! Components on a Kubernetes cluster. They reach it through `component::Cluster`, never by themselves.

mod registrations;
mod secret_store;

pub use registrations::REGISTRATIONS;

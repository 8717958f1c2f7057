//! Language models: an echo for tests, and one client for every service that speaks OpenAI's chat completions protocol.

mod cache;
mod chat;
mod echo;
mod registrations;
mod services;

pub use registrations::REGISTRATIONS;

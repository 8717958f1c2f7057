//! Cryptography with keys that the sidecar holds: the algorithms, the notations of keys, and the providers
//! `crypto.dapr.localstorage` and `crypto.dapr.jwks`.

mod algorithm;
mod asymmetric;
mod cbc;
mod cbc_hmac;
mod fault;
mod json_key;
mod jwks;
mod key;
mod key_text;
mod local_keys;
mod local_storage;
mod pem_key;
mod registrations;
mod signature;
mod symmetric;
#[cfg(test)]
mod vector_tests;

use fault::Fault;
pub use registrations::REGISTRATIONS;

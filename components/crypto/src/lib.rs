//! Cryptography with keys that the sidecar holds: the algorithms, the notations of keys, and the providers
//! `crypto.dapr.localstorage` and `crypto.dapr.jwks`.

mod algorithm;
mod asymmetric;
mod cbc;
mod cbc_hmac;
mod fault;
mod json_key;
mod key;
mod key_text;
mod pem_key;
mod signature;
mod symmetric;

use fault::Fault;

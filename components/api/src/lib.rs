//! What a backend implements: traits, Settings, Registration, Error.

pub mod resolver;

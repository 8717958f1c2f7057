//! What a backend implements: traits, Settings, Registration, Error.

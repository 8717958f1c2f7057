//! The list of backends in this build.

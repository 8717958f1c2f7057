//! Components that need no server.

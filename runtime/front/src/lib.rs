//! App to sidecar: the HTTP and gRPC doors. Translates, never decides.

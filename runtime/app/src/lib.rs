//! Sidecar to app: HTTP and gRPC app channel, app health.

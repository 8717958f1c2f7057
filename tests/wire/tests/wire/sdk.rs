//! The official SDKs as clients and as apps: what their users run must run.

//! One line for each API call (`--enable-api-logging`), in the target's words and fields.

use std::time::Instant;

use crate::routes::Api;

/// What is logged of API calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApiLog {
    /// Whether anything is.
    pub enabled: bool,
    /// Names the API instead of the path, which may hold personal data.
    pub obfuscate_urls: bool,
    /// Leaves health checks out.
    pub omit_health_checks: bool,
}

/// A call being served.
pub(crate) struct Entry {
    pub(crate) started: Instant,
    pub(crate) method: String,
    pub(crate) user_agent: String,
}

impl ApiLog {
    pub(crate) fn http(&self, entry: Entry, api: Option<&Api>, name: &str, (code, size): (u16, u64)) {
        if self.omit_health_checks && api.is_some_and(|api| api.group == "healthz") {
            return;
        }
        let method = if self.obfuscate_urls { name } else { &entry.method };
        let duration = u64::try_from(entry.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if entry.user_agent.is_empty() {
            tracing::info!(target: "dapr.runtime.http-info", code, duration, method, size, "HTTP API Called");
        } else {
            let useragent = entry.user_agent.as_str();
            tracing::info!(target: "dapr.runtime.http-info", code, duration, method, size, useragent, "HTTP API Called");
        }
    }

    pub(crate) fn grpc(entry: &Entry, code: i32) {
        let duration = u64::try_from(entry.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (method, useragent) = (entry.method.as_str(), entry.user_agent.as_str());
        if useragent.is_empty() {
            tracing::info!(target: "dapr.runtime.grpc.api-info", code, duration, method, "gRPC API Called");
        } else {
            tracing::info!(target: "dapr.runtime.grpc.api-info", code, duration, method, useragent, "gRPC API Called");
        }
    }
}

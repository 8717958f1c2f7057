//! The shutdown API, for both doors.

use std::time::Duration;

use crate::Api;

/// How long a forced stop lets the answer leave.
const GRACE: Duration = Duration::from_millis(100);

/// Stops the sidecar: gracefully, or within a moment with exit code 1.
pub(crate) fn request(api: &Api, force: bool) {
    tracing::info!(target: "dapr.runtime", "Shutdown requested via API");
    if !force {
        api.shutdown.request();
        return;
    }
    tracing::warn!(
        target: "dapr.runtime",
        "Force shutdown requested, exiting immediately without graceful shutdown"
    );
    let force = api.force_shutdown.clone();
    api.tasks.spawn("forced shutdown", async move {
        tokio::time::sleep(GRACE).await;
        force();
    });
}

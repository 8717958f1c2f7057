//! Waiting until the app listens. Called once at start by the sidecar; it asks the operating system, not the app.

use std::time::Duration;

use service::Shutdown;
use service::dial::Dialer;

use crate::channel::{Address, Protocol};

/// Pause between two attempts (the target's).
const PAUSE: Duration = Duration::from_millis(100);
/// Attempts between two lines in the log.
const TOLD_EVERY: u32 = 100;
const ATTEMPT: Duration = Duration::from_millis(500);

/// Returns once something listens at the app's address; false when a stop was asked for first.
pub async fn wait_until_listening(address: &Address, protocol: Protocol, shutdown: &Shutdown) -> bool {
    let port = address.port;
    tracing::info!(
        target: "dapr.runtime",
        "application protocol: {}. waiting on port {port}.  This will block until the app is listening on that port.",
        protocol.name()
    );
    let dialer = if protocol.is_secure() {
        Dialer::with_tls(|| security::tls::insecure(&[]).map_err(|error| std::io::Error::other(error.to_string())))
    } else {
        Dialer::plain()
    };
    let mut attempts: u32 = 0;
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, dialer.connect(&address.host, port, protocol.is_secure()));
        tokio::select! {
            () = shutdown.requested() => return false,
            connected = attempt => if matches!(connected, Ok(Ok(_))) { break },
        }
        attempts = attempts.wrapping_add(1);
        if attempts.is_multiple_of(TOLD_EVERY) {
            tracing::info!(target: "dapr.runtime", "waiting for application to listen on port {port}");
        }
        tokio::select! {
            () = shutdown.requested() => return false,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    tracing::info!(target: "dapr.runtime", "application discovered on port {port}");
    true
}

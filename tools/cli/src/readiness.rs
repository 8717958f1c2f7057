//! Waiting for an app to open its port and for a sidecar to be up, with a word about what is awaited. `pair` waits
//! here. No event tells that another process has opened a port, so these look, less and less often, and only at start.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::console::Console;

const FIRST_STEP: Duration = Duration::from_millis(20);
const LONGEST_STEP: Duration = Duration::from_millis(500);
/// When the first word is said, and how often it is said again.
const FIRST_WORD: Duration = Duration::from_secs(5);
const NEXT_WORD: Duration = Duration::from_secs(10);

/// Whether something listens at this place.
pub(crate) async fn listens(host: &str, port: u16) -> bool {
    let connection = tokio::net::TcpStream::connect((host, port));
    matches!(tokio::time::timeout(Duration::from_secs(1), connection).await, Ok(Ok(_)))
}

/// Looks until `is_there` says yes; `false` once `limit` is over. `awaited` is what the user is told meanwhile.
pub(crate) async fn wait_until<F: Future<Output = bool>>(
    is_there: impl Fn() -> F,
    limit: Option<Duration>,
    awaited: &str,
    console: &Console,
) -> bool {
    let started = Instant::now();
    let (mut step, mut next_word) = (FIRST_STEP, FIRST_WORD);
    loop {
        if is_there().await {
            return true;
        }
        let waited = started.elapsed();
        if limit.is_some_and(|limit| waited >= limit) {
            return false;
        }
        if waited >= next_word {
            console.info(format!("Still waiting after {} s: {awaited}", waited.as_secs()));
            next_word = waited + NEXT_WORD;
        }
        tokio::time::sleep(limit.map_or(step, |limit| step.min(limit.saturating_sub(waited)))).await;
        step = (step * 2).min(LONGEST_STEP);
    }
}

#[cfg(test)]
mod tests {
    use service::Environment;

    use super::*;

    #[tokio::test]
    async fn a_port_that_opens_late_is_seen() {
        let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = reserved.local_addr().unwrap().port();
        drop(reserved);
        let console = Console::open(&Environment::default(), false);
        let limit = Some(Duration::from_millis(200));
        assert!(!wait_until(|| listens("127.0.0.1", port), limit, "nothing", &console).await);
        let opened = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap()
        };
        let limit = Some(Duration::from_secs(5));
        let (seen, _listener) = tokio::join!(wait_until(|| listens("127.0.0.1", port), limit, "it", &console), opened);
        assert!(seen);
    }
}

//! Ends leases in time: waits for the next end that the ledger knows, and tells it. Started by `run`. What has ended is not read any
//! more anyway; this is for those who watch, and for the disk.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Ledger, Moment};
use service::Shutdown;

use crate::clock::Clock;

/// The longest wait: a machine that slept, or a clock that was set, tells nobody.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Runs until the stop, or until the ledger has failed.
pub(crate) async fn run(ledger: Arc<dyn Ledger>, clock: Clock, shutdown: Shutdown) {
    let mut next = ledger.next_end();
    loop {
        let wait = next
            .borrow_and_update()
            .map(|end: Moment| Duration::from_millis(end.0.saturating_sub(clock.now().0)).min(LONGEST_WAIT));
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.requested() => return,
            changed = next.changed() => if changed.is_err() { return },
            () = due => if ledger.expire(clock.now()).await.is_err() { return },
        }
    }
}

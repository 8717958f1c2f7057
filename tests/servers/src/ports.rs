//! Free ports for servers that cannot choose one themselves, below the range from which the system takes ports for
//! outgoing connections, so that a server that was killed gets its port back. Used by each server.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const FIRST: u32 = 16_000;
const COUNT: u32 = 16_000;

static STEPS: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 on which nobody listens at this moment. Another process may be quicker: who starts a server tries
/// again with another port.
pub(crate) fn free_port() -> u16 {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let start = nanoseconds.wrapping_add(std::process::id().wrapping_mul(7919));
    for _ in 0..COUNT {
        let step = STEPS.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step.wrapping_mul(13)) % COUNT;
        let port = u16::try_from(port).expect("below 32000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + COUNT);
}

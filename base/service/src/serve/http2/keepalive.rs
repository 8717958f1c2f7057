//! Pings on a quiet connection. Called by the connection's own poll. It must not end the connection itself.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

use crate::Http2Keepalive;

/// What watches one connection.
pub(super) struct KeepAlive {
    rule: Http2Keepalive,
    pings: PingPong,
    /// Of the arrivals that were seen.
    arrivals: u64,
    quiet_since: Instant,
    sleep: Pin<Box<Sleep>>,
    is_asking: bool,
}

impl KeepAlive {
    pub(super) fn new(rule: Http2Keepalive, pings: PingPong) -> Self {
        let sleep = Box::pin(tokio::time::sleep(rule.interval));
        Self { rule, pings, arrivals: 0, quiet_since: Instant::now(), sleep, is_asking: false }
    }

    /// Completes when the other end has not answered in time. `arrivals` is how often something came on the connection.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, arrivals: u64) -> Poll<()> {
        if self.arrivals != arrivals {
            self.arrivals = arrivals;
            self.quiet_since = Instant::now();
        }
        if self.is_asking
            && let Poll::Ready(answered) = self.pings.poll_pong(context)
        {
            if answered.is_err() {
                // The connection is over, which it tells by itself.
                return Poll::Pending;
            }
            self.is_asking = false;
            self.sleep.as_mut().reset(Instant::now() + self.rule.interval);
        }
        while self.sleep.as_mut().poll(context).is_ready() {
            if self.is_asking {
                return Poll::Ready(());
            }
            let due = self.quiet_since + self.rule.interval;
            if due > Instant::now() {
                self.sleep.as_mut().reset(due);
                continue;
            }
            if self.pings.send_ping(Ping::opaque()).is_err() {
                return Poll::Pending;
            }
            self.is_asking = true;
            self.sleep.as_mut().reset(Instant::now() + self.rule.timeout);
            // So that the answer wakes this task.
            if self.pings.poll_pong(context).is_ready() {
                self.is_asking = false;
            }
        }
        Poll::Pending
    }
}

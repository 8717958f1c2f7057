//! Deleting the values whose time is over: portion by portion on the writer's thread, so that writers wait for one
//! portion at most. When it begins the store's timer says; processes on one file take turns by the metadata table.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::settings::Plan;
use super::table::Table;
use super::writer::until;

/// How much earlier than the interval a turn may come.
const ALLOWANCE: Duration = Duration::from_millis(100);
/// How long a portion waits for other processes before the clean-up is left to the next time.
const PATIENCE: Duration = Duration::from_secs(1);

/// A clean-up and how far it is.
#[derive(Debug)]
pub(super) struct Cleanup {
    interval_millis: i64,
    log_name: String,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Due,
    /// Deleting; so many are gone.
    Deleting(usize),
}

impl Cleanup {
    pub(super) fn new(plan: &Plan, log_name: String) -> Self {
        let interval = plan.cleanup_interval.saturating_sub(ALLOWANCE).as_millis();
        Self { interval_millis: i64::try_from(interval).unwrap_or(i64::MAX), log_name, state: State::Idle }
    }

    /// Its time has come.
    pub(super) fn start(&mut self) {
        if matches!(self.state, State::Idle) {
            self.state = State::Due;
        }
    }

    /// Does the next portion, if there is one. Says whether more are left.
    ///
    /// # Errors
    /// SQLite's; the clean-up is left to the next time.
    pub(super) fn go_on(&mut self, connection: &Connection, table: &Table) -> rusqlite::Result<bool> {
        let give_up = Instant::now() + PATIENCE;
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => State::Idle,
            State::Due => match until(give_up, || table.claim_cleanup(connection, self.interval_millis))? {
                true => State::Deleting(0),
                false => {
                    tracing::debug!(target: "dapr.contrib", component = self.log_name,
                        "Last cleanup was performed too recently");
                    State::Idle
                }
            },
            State::Deleting(before) => {
                let (deleted, more) = until(give_up, || table.clean_up(connection))?;
                let deleted = before + deleted;
                if more {
                    State::Deleting(deleted)
                } else {
                    tracing::info!(target: "dapr.contrib", component = self.log_name,
                        "Removed {deleted} expired rows");
                    State::Idle
                }
            }
        };
        Ok(!matches!(self.state, State::Idle))
    }
}

//! How the store starts: its thread opens the file, creates the tables, and then writes; a timer says when to clean up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use component::state::StateStore;
use component::{Error, ErrorKind, Setup};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::SqliteState;
use super::failure::failed;
use super::readers::Readers;
use super::settings::Plan;
use super::table::Table;
use super::writer::{Order, Writer, until};

/// How long a start waits for others that start with the same new file.
const OPEN_TIME: Duration = Duration::from_secs(15);
/// How many requests wait for the writer before callers wait to ask.
const QUEUE: usize = 1024;

/// Makes the store, ready for calls.
pub(super) async fn open(setup: Setup) -> Result<Arc<dyn StateStore>, Error> {
    let plan = Plan::read(&setup.properties)?;
    let log_name = format!("{} (state.sqlite/v1)", setup.name);
    let (orders, receiver) = mpsc::channel(QUEUE);
    let (opened, is_open) = oneshot::channel();
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let thread_plan = plan.clone();
    let thread_log_name = log_name.clone();
    let run = move || {
        tracing::dispatcher::with_default(&dispatch, || match prepare(&thread_plan, &thread_log_name) {
            Ok(writer) => {
                // Who opened it may be gone; then the queue is closed as well and the thread ends.
                let _ = opened.send(Ok(()));
                writer.run(receiver);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        });
    };
    let thread = std::thread::Builder::new().name("sqlite-state".to_owned());
    thread
        .spawn(run)
        .map_err(|error| Error::new(ErrorKind::Unavailable, "failed to start a thread").caused_by(error))?;
    is_open.await.map_err(|_| Error::new(ErrorKind::Internal, "the thread of the database ended"))??;

    let stop = CancellationToken::new();
    if plan.cleanup_interval > Duration::ZERO {
        tracing::info!(target: "dapr.contrib", component = log_name,
            "Schedule expired data clean up every {:?}", plan.cleanup_interval);
        let cleaning = clean_up_in_time(orders.clone(), plan.cleanup_interval, stop.clone());
        setup.host.tasks.spawn("sqlite clean-up", cleaning);
    }
    // A database in memory ends with its last connection and has no journal that lets others read beside a write.
    let readers = (!plan.location.in_memory).then(|| Readers::new(plan.location.clone()));
    let table = Table::new(&plan);
    Ok(Arc::new(SqliteState { orders: Mutex::new(Some(orders)), readers, table, timeout: plan.timeout, stop }))
}

async fn clean_up_in_time(orders: mpsc::Sender<Order>, interval: Duration, stop: CancellationToken) {
    let rounds = async {
        loop {
            tokio::time::sleep(interval).await;
            if orders.send(Order::CleanUp).await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(rounds).await;
}

fn prepare(plan: &Plan, log_name: &str) -> Result<Writer, Error> {
    for remark in &plan.location.remarks {
        tracing::warn!(target: "dapr.contrib", component = log_name, "{remark}");
    }
    let give_up = Instant::now() + OPEN_TIME;
    let mut connection =
        until(give_up, || plan.location.open()).map_err(|error| failed("failed to create connection", &error))?;
    set_durability(&connection, plan, log_name).map_err(|error| failed("failed to create connection", &error))?;
    let table = Table::new(plan);
    let created = until(give_up, || table.migrate(&mut connection));
    for line in created.map_err(|error| failed("failed to perform migrations", &error))? {
        tracing::info!(target: "dapr.contrib", component = log_name, "{line}");
    }
    Writer::new(connection, plan, log_name.to_owned()).map_err(|error| failed("failed to create connection", &error))
}

/// A commit waits until the disk has it: FULL in the write-ahead log; with a rollback journal its end is the removal of
/// a file, which only EXTRA waits for. What the connection string says instead is kept, and said.
fn set_durability(connection: &Connection, plan: &Plan, log_name: &str) -> rusqlite::Result<()> {
    match &plan.location.synchronous {
        Some(level) => {
            tracing::warn!(target: "dapr.contrib", component = log_name,
                "The connection string sets synchronous to {level}: unless that is FULL or EXTRA, a power cut may lose \
                 what was acknowledged");
            Ok(())
        }
        None => {
            let level = if plan.location.journal_ahead { "FULL" } else { "EXTRA" };
            connection.pragma_update(None, "synchronous", level)
        }
    }
}

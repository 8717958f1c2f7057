//! Makes the tables and brings older ones up to date, step by step as the target does, so that both work on one table.
//! Called once by the constructor. Processes that start at once wait for each other on a row of the metadata table, as
//! the target's do. All steps are one transaction: a process that dies leaves either all of them or none.

use std::time::Duration;

use component::{Error, ErrorKind};

use super::answer::column;
use super::layout::{Layout, Version};
use crate::connection::{Connection, Parameter, Query};
use crate::failure::{failure, is_duplicate, spoils_connection};
use crate::pool::{Lease, Pool};

/// How long another process may take with its steps.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(60);
/// How often a step is tried again that met another process doing the same.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// Why steps did not succeed.
enum Problem {
    Said(&'static str, tokio_postgres::Error),
    Found(Error),
}

impl Problem {
    fn into_error(self) -> Error {
        match self {
            Problem::Said(doing, error) => failure(doing, &error),
            Problem::Found(error) => error,
        }
    }
}

fn during(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Problem {
    move |error| Problem::Said(doing, error)
}

/// Does what is missing.
pub(super) async fn perform(pool: &Pool, layout: &Layout, timeout: Duration) -> Result<(), Error> {
    let mut lease = tokio::time::timeout(timeout, pool.lease()).await.map_err(|_| late("connect"))??;
    for attempt in 1.. {
        let steps = tokio::time::timeout(WAIT_FOR_OTHERS, steps(&mut lease, layout)).await;
        match steps.map_err(|_| late("acquire migration lock"))? {
            Ok(()) => break,
            Err(Problem::Said(_, error)) if attempt < ATTEMPTS && is_duplicate(&error) => {
                undo(&mut lease).await?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(problem) => return Err(problem.into_error()),
        }
    }
    Lease::give_back(lease);
    Ok(())
}

fn late(doing: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("failed to {doing}: no answer from PostgreSQL in time"))
}

async fn undo(connection: &mut Connection) -> Result<(), Error> {
    connection.batch("ROLLBACK").await.map_err(|error| {
        debug_assert!(spoils_connection(&error));
        failure("failed to roll back", &error)
    })
}

async fn steps(connection: &mut Connection, layout: &Layout) -> Result<(), Problem> {
    let metadata = &layout.metadata;
    tracing::info!(target: "dapr.contrib", "Creating metadata table '{metadata}'");
    let create = format!("CREATE TABLE IF NOT EXISTS {metadata} (key text NOT NULL PRIMARY KEY, value text NOT NULL)");
    connection.batch(&create).await.map_err(during("failed to create metadata table"))?;
    let insert = format!("INSERT INTO {metadata} (key, value) VALUES ('lock', 'lock') ON CONFLICT (key) DO NOTHING");
    connection.batch(&insert).await.map_err(during("failed to ensure lock row 'lock' exists"))?;
    connection.batch("BEGIN").await.map_err(during("failed to begin transaction"))?;
    let lock = format!("SELECT value FROM {metadata} WHERE key = 'lock' FOR UPDATE");
    connection.batch(&lock).await.map_err(during("failed to acquire migration lock"))?;

    let key = layout.metadata_keys().0;
    let done = level(connection, layout, &key).await?;
    let all = all_steps(layout);
    for (index, step) in all.iter().enumerate().skip(done) {
        tracing::info!(target: "dapr.contrib", "Performing migration {}", index + 1);
        step.perform(connection, layout).await?;
    }
    if done < all.len() {
        let update = format!(
            "INSERT INTO {metadata} (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        );
        let level = all.len().to_string();
        let update = Query::new(&update, [Parameter::Text(&key), Parameter::Text(&level)]);
        connection.change(&update).await.map_err(during("failed to update migration level in metadata table"))?;
    }
    connection.batch("COMMIT").await.map_err(during("failed to commit the migrations"))
}

/// How many steps were done before. There may be more than we know: a newer version's.
async fn level(connection: &mut Connection, layout: &Layout, key: &str) -> Result<usize, Problem> {
    let read = format!("SELECT value FROM {} WHERE key = $1", layout.metadata);
    let query = Query::new(&read, [Parameter::Text(key)]);
    let rows = connection.rows(&query).await.map_err(during("failed to read migration level"))?;
    let Some(row) = rows.first() else { return Ok(0) };
    let text: String = column(row, 0).map_err(Problem::Found)?;
    text.parse().map_err(|_| {
        let message = format!("invalid migration level found in metadata table: {text}");
        Problem::Found(Error::new(ErrorKind::Internal, message))
    })
}

/// One step of the target's.
enum Step {
    CreateV1,
    AddEnd,
    CreateV2,
    /// Numbers the rows; those that are there by the column that says when they came.
    Number(&'static str),
}

fn all_steps(layout: &Layout) -> Vec<Step> {
    match layout.version {
        Version::V1 => vec![Step::CreateV1, Step::AddEnd, Step::Number("insertdate")],
        Version::V2 { .. } => vec![Step::CreateV2, Step::Number("created_at")],
    }
}

impl Step {
    async fn perform(&self, connection: &mut Connection, layout: &Layout) -> Result<(), Problem> {
        let table = &layout.table;
        match self {
            Step::CreateV1 => {
                tracing::info!(target: "dapr.contrib", "Creating state table '{table}'");
                let create = format!(
                    "CREATE TABLE IF NOT EXISTS {table} (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, \
                     isbinary boolean NOT NULL, insertdate TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(), \
                     updatedate TIMESTAMP WITH TIME ZONE NULL)"
                );
                connection.batch(&create).await.map_err(during("failed to create state table"))
            }
            Step::AddEnd => {
                tracing::info!(target: "dapr.contrib", "Adding expiredate column to state table '{table}'");
                let alter = format!("ALTER TABLE {table} ADD expiredate TIMESTAMP WITH TIME ZONE");
                connection.batch(&alter).await.map_err(during("failed to update state table"))
            }
            Step::CreateV2 => {
                tracing::info!(target: "dapr.contrib", "Creating state table: '{table}'");
                let create = format!(
                    "CREATE TABLE IF NOT EXISTS {table} (key text NOT NULL PRIMARY KEY, value bytea NOT NULL, \
                     etag uuid NOT NULL DEFAULT gen_random_uuid(), \
                     created_at timestamp with time zone NOT NULL DEFAULT now(), \
                     updated_at timestamp with time zone, expires_at timestamp with time zone); \
                     CREATE INDEX ON {table} (expires_at)"
                );
                connection.batch(&create).await.map_err(during("failed to create state table"))
            }
            Step::Number(came) => number(connection, &table.to_string(), came).await,
        }
    }
}

/// Gives each row a number by which keys are listed in pages.
async fn number(connection: &mut Connection, table: &str, came: &str) -> Result<(), Problem> {
    tracing::info!(target: "dapr.contrib", "Ensuring row_id (identity) exists on '{table}'");
    let found = Query::new(
        "SELECT c.relname::text, format('%I.%I', n.nspname, c.relname), format('%I', c.relname || '_row_id_uidx'), \
         EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'row_id' AND a.attidentity <> '') \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)",
        [Parameter::Text(table)],
    );
    let rows = connection.rows(&found).await.map_err(during("resolve table OID"))?;
    let Some(row) = rows.first() else {
        let message = format!("resolve table OID: table {table:?} not found");
        return Err(Problem::Found(Error::new(ErrorKind::Internal, message)));
    };
    let name: String = column(row, 1).map_err(Problem::Found)?;
    let index: String = column(row, 2).map_err(Problem::Found)?;
    let is_identity: bool = column(row, 3).map_err(Problem::Found)?;
    let prepare = format!(
        "ALTER TABLE {name} ADD COLUMN IF NOT EXISTS row_id BIGINT; \
         WITH ranked AS (SELECT key, ROW_NUMBER() OVER (ORDER BY {came} ASC, key ASC) AS rn FROM {name} \
         WHERE row_id IS NULL) UPDATE {name} AS t SET row_id = r.rn FROM ranked r WHERE r.key = t.key; \
         ALTER TABLE {name} ALTER COLUMN row_id SET NOT NULL"
    );
    connection.batch(&prepare).await.map_err(during("add row_id column"))?;
    if !is_identity {
        let identity = format!("ALTER TABLE {name} ALTER COLUMN row_id ADD GENERATED BY DEFAULT AS IDENTITY");
        connection.batch(&identity).await.map_err(during("add identity"))?;
    }
    let align = format!(
        "SELECT setval(pg_get_serial_sequence($1, 'row_id'), COALESCE((SELECT MAX(row_id) FROM {name}), 0) + 1, false)"
    );
    let align = Query::new(&align, [Parameter::Text(&name)]);
    connection.rows(&align).await.map_err(during("set identity sequence value"))?;
    let unique = format!("CREATE UNIQUE INDEX IF NOT EXISTS {index} ON {name} (row_id)");
    connection.batch(&unique).await.map_err(during("create unique index on row_id"))
}

//! Reads the table of a configuration store. Keys are parameters of its statements.

use std::time::Duration;

use component::configuration::{Item, Items};
use component::{Error, ErrorKind, Metadata};
use tokio_postgres::Row;

use crate::connection::{Parameter, Query};
use crate::failure::{failure, is_broken};
use crate::pool::Pool;
use crate::table_name::TableName;

pub(super) struct Table {
    pool: Pool,
    name: TableName,
    timeout: Duration,
    all: String,
    some: String,
}

impl Table {
    pub(super) fn new(pool: Pool, name: TableName, timeout: Duration) -> Self {
        let all = format!("SELECT key::text, value::text, version::text, metadata::text FROM {name}");
        let some = format!("{all} WHERE key = ANY($1)");
        Self { pool, name, timeout, all, some }
    }

    /// Whether the table is there.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let name = self.name.to_string();
        let query = Query::new("SELECT to_regclass($1) IS NOT NULL", [Parameter::Text(&name)]);
        let rows = self.rows(query).await?;
        match rows.first().map(|row| row.try_get(0)) {
            Some(Ok(true)) => Ok(()),
            _ => {
                let message = format!("postgreSQL configuration table '{name}' does not exist");
                Err(Error::new(ErrorKind::InvalidArgument, message))
            }
        }
    }

    /// The values of some keys, or of all where none is named. Of several rows of one key the one with the greatest whole
    /// number as its version counts, as in the target.
    pub(super) async fn read(&self, keys: &[&str]) -> Result<Items, Error> {
        let query = match keys {
            [] => Query::new(&self.all, []),
            some => Query::new(&self.some, [Parameter::Texts(some)]),
        };
        let mut items = Items::new();
        for row in self.rows(query).await? {
            let (key, item) = entry(&row)?;
            match items.get(&key) {
                Some(known) if number(&item) <= number(known) => {}
                _ => drop(items.insert(key, item)),
            }
        }
        Ok(items)
    }

    /// An idle connection may turn out to be broken, so that is tried once more.
    async fn rows(&self, query: Query<'_>) -> Result<Vec<Row>, Error> {
        let queries = [query];
        let [query] = &queries;
        let work = async {
            let mut may_repeat = true;
            loop {
                let mut lease = self.pool.lease().await?;
                let outcome = match lease.prepare(&queries).await {
                    Ok(()) => lease.rows(query).await,
                    Err(error) => Err(error),
                };
                lease.settle(&outcome);
                match outcome {
                    Ok(rows) => return Ok(rows),
                    Err(error) if may_repeat && is_broken(&error) => may_repeat = false,
                    Err(error) => return Err(failure("error in querying configuration store", &error)),
                }
            }
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = format!("no answer from PostgreSQL within {:?}", self.timeout);
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }
}

/// A version that is no whole number comes before all that are.
fn number(item: &Item) -> i64 {
    item.version.parse().unwrap_or(-1)
}

fn entry(row: &Row) -> Result<(String, Item), Error> {
    let text = |index| {
        let column: Result<Option<String>, _> = row.try_get(index);
        column.map(Option::unwrap_or_default).map_err(|error| failure("error in reading data", &error))
    };
    Ok((text(0)?, Item { value: text(1)?, version: text(2)?, metadata: metadata(&text(3)?) }))
}

/// The texts of a JSON object; other values in it as JSON.
pub(super) fn metadata(json: &str) -> Metadata {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    object.into_iter().map(|(name, value)| (name, super::announcement::plain(value))).collect()
}

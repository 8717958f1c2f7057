//! One connection and what is said on it. Lent out by `pool`; a connection that is dropped closes at once, and the server
//! undoes what was not committed on it.

use std::collections::HashMap;
use std::time::Instant;

use component::Tasks;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::options::Options;

/// A value that stands for `$1` and so on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Parameter<'a> {
    /// `text`
    Text(&'a str),
    /// `text[]`
    Texts(&'a [&'a str]),
    /// `bytea`
    Bytes(&'a [u8]),
    /// `boolean`
    Bool(bool),
    /// `bigint`
    Integer(i64),
    /// `double precision`, null for `None`
    Number(Option<f64>),
}

impl Parameter<'_> {
    fn kind(&self) -> Type {
        match self {
            Parameter::Text(_) => Type::TEXT,
            Parameter::Texts(_) => Type::TEXT_ARRAY,
            Parameter::Bytes(_) => Type::BYTEA,
            Parameter::Bool(_) => Type::BOOL,
            Parameter::Integer(_) => Type::INT8,
            Parameter::Number(_) => Type::FLOAT8,
        }
    }

    fn value(&self) -> &(dyn ToSql + Sync) {
        match self {
            Parameter::Text(value) => value,
            Parameter::Texts(value) => value,
            Parameter::Bytes(value) => value,
            Parameter::Bool(value) => value,
            Parameter::Integer(value) => value,
            Parameter::Number(value) => value,
        }
    }
}

/// A statement and its parameters.
#[derive(Debug, Clone)]
pub(crate) struct Query<'a> {
    pub(crate) sql: &'a str,
    pub(crate) parameters: Vec<Parameter<'a>>,
}

impl<'a> Query<'a> {
    pub(crate) fn new(sql: &'a str, parameters: impl Into<Vec<Parameter<'a>>>) -> Self {
        Self { sql, parameters: parameters.into() }
    }
}

/// An open connection.
pub(crate) struct Connection {
    client: Client,
    /// `None` where the server is to keep nothing.
    prepared: Option<HashMap<String, Statement>>,
    pub(crate) born: Instant,
    _open: DropGuard,
}

impl Connection {
    /// Opens a connection. Its driver is one of `tasks`.
    pub(crate) async fn open(options: &Options, tasks: &Tasks) -> Result<Self, tokio_postgres::Error> {
        let (client, driver) = options.config.connect(options.tls.clone()).await?;
        let closing = CancellationToken::new();
        let closed = closing.clone();
        tasks.spawn("postgresql connection", async move {
            tokio::select! {
                () = closed.cancelled() => {}
                ended = driver => {
                    if let Err(error) = ended {
                        tracing::debug!(target: "dapr.contrib", "a connection to PostgreSQL ended: {error}");
                    }
                }
            }
        });
        let prepared = options.prepare.then(HashMap::new);
        Ok(Self { client, prepared, born: Instant::now(), _open: closing.drop_guard() })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Makes statements ready, so that the queries can be sent at once, one behind the other.
    pub(crate) async fn prepare(&mut self, queries: &[Query<'_>]) -> Result<(), tokio_postgres::Error> {
        let Some(prepared) = &mut self.prepared else { return Ok(()) };
        for query in queries {
            if !prepared.contains_key(query.sql) {
                let kinds: Vec<Type> = query.parameters.iter().map(Parameter::kind).collect();
                let statement = self.client.prepare_typed(query.sql, &kinds).await?;
                prepared.insert(query.sql.to_owned(), statement);
            }
        }
        Ok(())
    }

    /// Does a statement that changes rows, and says how many. Several may be under way; the server does them in the order
    /// in which they were first polled.
    pub(crate) async fn change(&self, query: &Query<'_>) -> Result<u64, tokio_postgres::Error> {
        match self.statement(query) {
            Some(statement) => self.client.execute(statement, &values(query)).await,
            None => self.client.execute_typed(query.sql, &typed_values(query)).await,
        }
    }

    /// Does a statement that answers rows.
    pub(crate) async fn rows(&self, query: &Query<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self.statement(query) {
            Some(statement) => self.client.query(statement, &values(query)).await,
            None => self.client.query_typed(query.sql, &typed_values(query)).await,
        }
    }

    /// Does statements without parameters, separated by semicolons.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    fn statement(&self, query: &Query<'_>) -> Option<&Statement> {
        self.prepared.as_ref().and_then(|prepared| prepared.get(query.sql))
    }
}

fn values<'a>(query: &'a Query<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    query.parameters.iter().map(Parameter::value).collect()
}

fn typed_values<'a>(query: &'a Query<'_>) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    query.parameters.iter().map(|parameter| (parameter.value(), parameter.kind())).collect()
}

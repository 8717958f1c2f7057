//! Rows of the server as answers of the store.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use component::state::{BulkItem, GetRequest, KeysPage, Stored, TTL_EXPIRE_TIME};
use component::{Error, ErrorKind, Metadata};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::failure::failure;

/// A column of a row.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Error> {
    row.try_get(index).map_err(|error| failure("a row cannot be read", &error))
}

/// Key and value of a row, in the columns of `statements`. A value that is not what its row says spoils only itself.
pub(super) fn entry(row: &Row) -> Result<(String, Result<Stored, Error>), Error> {
    let key: String = column(row, 0)?;
    let (value, binary): (&[u8], bool) = (column(row, 1)?, column(row, 2)?);
    let (etag, end): (&str, Option<i64>) = (column(row, 3)?, column(row, 4)?);
    let data = if binary { decode(value) } else { Ok(Bytes::copy_from_slice(value)) };
    let end = end.and_then(|end| jiff::Timestamp::from_second(end).ok());
    let metadata: Metadata = end.iter().map(|end| (TTL_EXPIRE_TIME.to_owned(), end.to_string())).collect();
    Ok((key, data.map(|data| Stored { data, etag: Some(etag.into()), metadata })))
}

fn decode(value: &[u8]) -> Result<Bytes, Error> {
    let spoilt = |what: &str, error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Internal, format!("failed to {what} data: {error}"))
    };
    let text: String = serde_json::from_slice(value).map_err(|error| spoilt("unmarshal JSON", &error))?;
    STANDARD.decode(text).map(Bytes::from).map_err(|error| spoilt("decode base64", &error))
}

/// One item per request, in its order.
pub(super) fn items(requests: &[GetRequest], rows: &[Row]) -> Result<Vec<BulkItem>, Error> {
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let key: &str = column(row, 0)?;
        found.insert(key, row);
    }
    let item = |request: &GetRequest| {
        let result = match found.get(request.key.as_str()) {
            None => Ok(None),
            Some(row) => entry(row).and_then(|(_, stored)| stored).map(Some),
        };
        BulkItem { key: request.key.clone(), result }
    };
    Ok(requests.iter().map(item).collect())
}

/// A page of keys. There is one row more than the page may have if there are more.
pub(super) fn page(rows: &[Row], size: Option<u32>) -> Result<KeysPage, Error> {
    let size = size.and_then(|size| usize::try_from(size).ok());
    let shown = size.map_or(rows, |size| rows.get(..size).unwrap_or(rows));
    let continuation_token = match (shown.last(), shown.len() < rows.len()) {
        (Some(last), true) => Some(column::<i64>(last, 1)?.to_string()),
        _ => None,
    };
    let keys = shown.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
    Ok(KeysPage { keys, continuation_token })
}

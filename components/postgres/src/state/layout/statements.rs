//! The statements of both versions. Both take the same parameters in the same order (version 1 has one more) and answer
//! the same columns: key, value as bytes, whether the value is base64 in a JSON string, ETag as text, end in Unix seconds.

use crate::table_name::TableName;

/// What is said to the server.
pub(in crate::state) struct Statements {
    /// One key.
    pub(in crate::state) get: String,
    /// Any of many keys.
    pub(in crate::state) get_many: String,
    /// Stores a value, whatever is there.
    pub(in crate::state) upsert: String,
    /// Stores a value where none is; one past its end is none.
    pub(in crate::state) insert: String,
    /// Stores a value in place of a version.
    pub(in crate::state) update: String,
    /// Removes a key.
    pub(in crate::state) remove: String,
    /// Removes a version.
    pub(in crate::state) remove_version: String,
    /// Key and ETag of any of many keys, which nobody else may change until the transaction ends.
    pub(in crate::state) lock: String,
    /// Keys by pattern, behind a row, up to a number.
    pub(in crate::state) list: String,
    /// Removes the keys of a pattern without `||` from a character on; answers how many were not past their end.
    pub(in crate::state) remove_below: String,
    /// Values, up to the condition.
    pub(in crate::state) search: String,
    /// Removes what is past its end.
    pub(in crate::state) clean: String,
}

/// What differs between the versions.
struct Columns {
    value: &'static str,
    binary: &'static str,
    etag: &'static str,
    expires: &'static str,
    given: &'static str,
    insert: (&'static str, &'static str),
    update: &'static str,
    etag_parameter: usize,
    same_etag: &'static str,
}

const V1: Columns = Columns {
    value: "convert_to(value::text, 'UTF8')",
    binary: "isbinary",
    etag: "xmin::text",
    expires: "expiredate",
    given: "convert_from($2, 'UTF8')::jsonb",
    insert: ("isbinary", "$4"),
    update: "isbinary = $4, updatedate = now()",
    etag_parameter: 5,
    same_etag: "xmin::text =",
};

const V2: Columns = Columns {
    value: "value",
    binary: "false",
    etag: "etag::text",
    expires: "expires_at",
    given: "$2",
    insert: ("etag", "gen_random_uuid()"),
    update: "etag = gen_random_uuid(), updated_at = now()",
    etag_parameter: 4,
    same_etag: "etag::text =",
};

impl Statements {
    pub(super) fn v1(table: &TableName) -> Self {
        Self::new(table, &V1)
    }

    pub(super) fn v2(table: &TableName) -> Self {
        Self::new(table, &V2)
    }

    fn new(table: &TableName, columns: &Columns) -> Self {
        let Columns { value, binary, etag, expires, given, insert: (column, inserted), update, .. } = columns;
        let Columns { etag_parameter, same_etag, .. } = columns;
        let read =
            format!("SELECT key, {value}, {binary}, {etag}, floor(extract(epoch FROM {expires}))::bigint FROM {table}");
        let lives = format!("({expires} IS NULL OR {expires} >= now())");
        let end = "now() + $3 * interval '1 second'";
        let upsert = format!(
            "INSERT INTO {table} AS t (key, value, {column}, {expires}) VALUES ($1, {given}, {inserted}, {end}) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, {update}, {expires} = excluded.{expires}"
        );
        Self {
            get: format!("{read} WHERE key = $1 AND {lives}"),
            get_many: format!("{read} WHERE key = ANY($1) AND {lives}"),
            insert: format!("{upsert} WHERE t.{expires} IS NOT NULL AND t.{expires} < now()"),
            upsert,
            update: format!(
                "UPDATE {table} SET value = {given}, {update}, {expires} = {end} \
                 WHERE key = $1 AND {same_etag} ${etag_parameter} AND {lives}"
            ),
            remove: format!("DELETE FROM {table} WHERE key = $1"),
            remove_version: format!("DELETE FROM {table} WHERE key = $1 AND {same_etag} $2 AND {lives}"),
            lock: format!("SELECT key, {etag} FROM {table} WHERE key = ANY($1) AND {lives} ORDER BY key FOR UPDATE"),
            list: format!(
                "SELECT key, row_id FROM {table} WHERE key LIKE $1 ESCAPE '\\' AND {lives} AND row_id > $2 \
                 ORDER BY row_id ASC LIMIT $3"
            ),
            remove_below: format!(
                "WITH gone AS (DELETE FROM {table} WHERE key LIKE $1 ESCAPE '\\' \
                 AND strpos(substr(key, $2::int), '||') = 0 RETURNING {expires}) \
                 SELECT count(*) FROM gone WHERE {lives}"
            ),
            search: format!("{read} WHERE {lives}"),
            clean: format!("DELETE FROM {table} WHERE {expires} IS NOT NULL AND {expires} < now()"),
        }
    }
}

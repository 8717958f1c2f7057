//! Searches in version 1, whose values are `jsonb`. Fields and values of a query are parameters of the statement, never
//! part of its text.

use std::fmt::Write;

use async_trait::async_trait;
use component::state::{Comparison, Filter, QueryPage, QueryRequest, Queryable, Sorting};
use component::{CallContext, Error, ErrorKind, Metadata};
use serde_json::Value;

use super::PostgresState;
use super::answer::entry;
use crate::connection::{Parameter, Query};

#[async_trait]
impl Queryable for PostgresState {
    async fn query(&self, _: &CallContext, request: &QueryRequest) -> Result<QueryPage, Error> {
        let query = &request.query;
        let skip = match query.token.as_deref() {
            None => 0,
            Some(token) => token.parse::<u32>().map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, format!("invalid token {token:?}")).caused_by(error)
            })?,
        };
        let limit = query.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut search = Search { sql: self.layout.sql.search.clone(), texts: Vec::new() };
        if let Some(filter) = &query.filter {
            search.sql.push_str(" AND ");
            search.filter(filter)?;
        }
        search.order(&query.sort)?;
        let _ = write!(search.sql, " OFFSET {skip}");
        if let Some(limit) = query.limit {
            // One more shows whether there is another page.
            let _ = write!(search.sql, " LIMIT {}", limit.saturating_add(1).min(i64::MAX as u64));
        }
        let parameters: Vec<_> = search.texts.iter().map(|text| Parameter::Text(text)).collect();
        let rows = self.search(Query::new(&search.sql, parameters)).await?;
        let shown = limit.map_or(rows.as_slice(), |limit| rows.get(..limit).unwrap_or(&rows));
        let results = shown.iter().map(|row| entry(row).and_then(|(key, stored)| Ok((key, stored?))));
        let results = results.collect::<Result<Vec<_>, Error>>()?;
        let more = shown.len() < rows.len();
        let token = if more { (u64::from(skip) + results.len() as u64).to_string() } else { String::new() };
        Ok(QueryPage { results, token, metadata: Metadata::new() })
    }
}

/// A statement under construction.
struct Search {
    sql: String,
    texts: Vec<String>,
}

impl Search {
    /// A placeholder for a text.
    fn text(&mut self, text: &str) -> String {
        self.texts.push(text.to_owned());
        format!("${}", self.texts.len())
    }

    /// The expression for a field, such as `value->$1->$2`; with `as_text` its last arrow gives text.
    fn field(&mut self, field: &str, as_text: bool) -> String {
        let mut expression = "value".to_owned();
        let mut parts = field.split('.').peekable();
        while let Some(part) = parts.next() {
            let arrow = if as_text && parts.peek().is_none() { "->>" } else { "->" };
            let _ = write!(expression, "{arrow}{}", self.text(part));
        }
        expression
    }

    fn filter(&mut self, filter: &Filter) -> Result<(), Error> {
        match filter {
            Filter::Compare { field, comparison, value } => self.compare(field, *comparison, value),
            Filter::In { field, values } if values.is_empty() => {
                Err(refuse(format!("empty IN operator for key {field:?}")))
            }
            Filter::In { field, values } => {
                self.join(values, " OR ", |search, value| search.compare(field, Comparison::Equal, value))
            }
            Filter::And(filters) => self.join(filters, " AND ", Self::filter),
            Filter::Or(filters) => self.join(filters, " OR ", Self::filter),
        }
    }

    fn join<T>(
        &mut self,
        parts: &[T],
        word: &str,
        mut write: impl FnMut(&mut Self, &T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.sql.push('(');
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.sql.push_str(word);
            }
            write(self, part)?;
        }
        self.sql.push(')');
        Ok(())
    }

    /// Texts are compared as texts, everything else as JSON, so that 9 is less than 10.
    fn compare(&mut self, field: &str, comparison: Comparison, value: &Value) -> Result<(), Error> {
        let operator = operator(comparison);
        let is_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if let Value::String(text) = value {
            if is_order {
                return Err(refuse(format!("unsupported type of value {text}; string type not permitted")));
            }
            let field = self.field(field, true);
            let text = self.text(text);
            let _ = write!(self.sql, "{field} {operator} {text}");
            return Ok(());
        }
        if is_order && value.is_number() {
            let field = self.field(field, false);
            let _ = write!(self.sql, "jsonb_typeof({field}) = 'number' AND ");
        }
        let field = self.field(field, false);
        let value = self.text(&value.to_string());
        let _ = write!(self.sql, "{field} {operator} {value}::jsonb");
        Ok(())
    }

    fn order(&mut self, sort: &[Sorting]) -> Result<(), Error> {
        self.sql.push_str(" ORDER BY ");
        for Sorting { field, order } in sort {
            let direction = match order.to_ascii_uppercase().as_str() {
                "" | "ASC" => "ASC",
                "DESC" => "DESC",
                _ => return Err(refuse(format!("unsupported order {order:?}: expected ASC or DESC"))),
            };
            let field = self.field(field, false);
            let _ = write!(self.sql, "{field} {direction}, ");
        }
        self.sql.push_str("key");
        Ok(())
    }
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "!=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
    }
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use component::state;

    use super::*;

    fn search(text: &str) -> Result<Search, Error> {
        let query = state::Query::parse(text).unwrap();
        let mut search = Search { sql: String::new(), texts: Vec::new() };
        search.filter(&query.filter.unwrap())?;
        search.order(&query.sort)?;
        Ok(search)
    }

    #[test]
    fn filters_become_conditions_with_parameters() {
        let text = r#"{"filter":{"OR":[{"EQ":{"a.b":"x"}},{"AND":[{"NEQ":{"n":1}},{"IN":{"s":["y",true]}}]}]},
            "sort":[{"key":"a.b","order":"desc"}]}"#;
        let search = search(text).unwrap();
        assert_eq!(
            search.sql,
            "(value->$1->>$2 = $3 OR (value->$4 != $5::jsonb AND (value->>$6 = $7 OR value->$8 = $9::jsonb))) \
             ORDER BY value->$10->$11 DESC, key"
        );
        assert_eq!(search.texts, ["a", "b", "x", "n", "1", "s", "y", "s", "true", "a", "b"]);
    }

    #[test]
    fn nothing_of_a_query_stands_in_the_statement() {
        let text = r#"{"filter":{"EQ":{"a'; DROP TABLE state; --":"' OR 1=1 --"}},"sort":[{"key":"x') --"}]}"#;
        let sql = search(text).unwrap().sql;
        assert!(!sql.contains('\'') && !sql.contains(';') && !sql.contains("--"), "{sql}");
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        for (text, said) in [
            (r#"{"filter":{"GT":{"a":"x"}}}"#, "unsupported type of value x; string type not permitted"),
            (r#"{"filter":{"IN":{"a":[]}}}"#, "empty IN operator for key \"a\""),
            (
                r#"{"filter":{"EQ":{"a":1}},"sort":[{"key":"a","order":"DESC; DROP"}]}"#,
                "unsupported order \"DESC; DROP\": expected ASC or DESC",
            ),
        ] {
            assert_eq!(search(text).err().unwrap().to_string(), said);
        }
    }
}

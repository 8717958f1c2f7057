//! A search over the values of a state store, and its reading from the JSON of the query API. Pure. Backends with the
//! ability [`super::Queryable`] translate it; the state block reads it.

use std::fmt;

use serde_json::{Map, Value};

use super::Stored;
use crate::Metadata;

/// How deep filters may be nested. The target has no limit of its own.
const MAX_DEPTH: usize = 64;

/// What is searched for, in which order, and how much of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// What values must be like; `None` for all.
    pub filter: Option<Filter>,
    /// The order, most significant first.
    pub sort: Vec<Sorting>,
    /// How many results to answer at most; `None` for all.
    pub limit: Option<u64>,
    /// Where to go on, from [`QueryPage::token`].
    pub token: Option<String>,
}

/// A query as a backend is given it.
#[derive(Debug, Clone, Default)]
pub struct QueryRequest {
    /// The query.
    pub query: Query,
    /// For the store.
    pub metadata: Metadata,
}

/// What a value must be like. Fields are paths with dots (`person.org`) into the stored JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// A field compared with a value.
    Compare {
        /// The field.
        field: String,
        /// How it is compared.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// A field that is one of some values. There may be none, which stores refuse.
    In {
        /// The field.
        field: String,
        /// The values.
        values: Vec<Value>,
    },
    /// All of at least two filters.
    And(Vec<Filter>),
    /// Any of at least two filters.
    Or(Vec<Filter>),
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `EQ`
    Equal,
    /// `NEQ`
    NotEqual,
    /// `GT`
    Greater,
    /// `GTE`
    GreaterOrEqual,
    /// `LT`
    Less,
    /// `LTE`
    LessOrEqual,
}

/// One level of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorting {
    /// The field.
    pub field: String,
    /// `ASC`, `DESC` or empty, as given: stores read it.
    pub order: String,
}

/// What a store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryPage {
    /// Key and value of each, in the order asked for.
    pub results: Vec<(String, Stored)>,
    /// Where the next page starts; empty at the end.
    pub token: String,
    /// From the store.
    pub metadata: Metadata,
}

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError(String);

impl fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for QueryError {}

fn refuse<T>(message: impl Into<String>) -> Result<T, QueryError> {
    Err(QueryError(message.into()))
}

impl Query {
    /// Reads the JSON of the query API: an object with `filter`, `sort` and `page` (`limit`, `token`), in any case. Other
    /// names are not looked at, as in the target.
    ///
    /// # Errors
    /// What is wrong, in the target's words where they are about filters.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let value: Value = serde_json::from_str(text).map_err(|error| QueryError(error.to_string()))?;
        let whole = match &value {
            Value::Null => return Ok(Self::default()),
            Value::Object(whole) => whole,
            _ => return refuse("a query must be an object"),
        };
        let filter = match field(whole, "filter") {
            None => None,
            Some(Value::Object(filter)) if filter.is_empty() => None,
            Some(filter @ Value::Object(_)) => Some(Filter::read(filter, MAX_DEPTH)?),
            Some(_) => return refuse("\"filter\" must be an object"),
        };
        let sort = match field(whole, "sort") {
            None => Vec::new(),
            Some(Value::Array(sort)) => sort.iter().map(Sorting::read).collect::<Result<_, _>>()?,
            Some(_) => return refuse("\"sort\" must be an array"),
        };
        let (limit, token) = page(field(whole, "page"))?;
        Ok(Self { filter, sort, limit, token })
    }
}

/// A field of an object by its name in any case; one that is null is as good as missing.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let exact = object.get(name);
    let found =
        exact.or_else(|| object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value));
    found.filter(|value| !value.is_null())
}

fn text(object: &Map<String, Value>, name: &str) -> Result<String, QueryError> {
    match field(object, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => refuse(format!("{name:?} must be a string")),
    }
}

/// Zero is no limit, as in the target.
fn page(page: Option<&Value>) -> Result<(Option<u64>, Option<String>), QueryError> {
    let page = match page {
        None => return Ok((None, None)),
        Some(Value::Object(page)) => page,
        Some(_) => return refuse("\"page\" must be an object"),
    };
    let limit = match field(page, "limit").map(Value::as_u64) {
        None => None,
        Some(Some(limit)) => Some(limit).filter(|limit| *limit > 0),
        Some(None) => return refuse("\"limit\" must be a whole number that is not negative"),
    };
    Ok((limit, Some(text(page, "token")?).filter(|token| !token.is_empty())))
}

impl Sorting {
    fn read(value: &Value) -> Result<Self, QueryError> {
        let Value::Object(object) = value else { return refuse("an element of \"sort\" must be an object") };
        Ok(Self { field: text(object, "key")?, order: text(object, "order")? })
    }
}

impl Filter {
    fn read(value: &Value, depth: usize) -> Result<Self, QueryError> {
        let Value::Object(unit) = value else { return refuse("filter unit must be a map") };
        let mut entries = unit.iter();
        let (Some((word, inner)), None) = (entries.next(), entries.next()) else {
            return refuse("filter unit must have a single element");
        };
        let comparison = match word.as_str() {
            "EQ" => Comparison::Equal,
            "NEQ" => Comparison::NotEqual,
            "GT" => Comparison::Greater,
            "GTE" => Comparison::GreaterOrEqual,
            "LT" => Comparison::Less,
            "LTE" => Comparison::LessOrEqual,
            "IN" => return Self::one_of(inner),
            "AND" => return Ok(Self::And(Self::list(word, inner, depth)?)),
            "OR" => return Ok(Self::Or(Self::list(word, inner, depth)?)),
            _ => return refuse(format!("unsupported filter {word:?}")),
        };
        let (field, value) = pair(word, inner)?;
        Ok(Self::Compare { field, comparison, value: value.clone() })
    }

    fn one_of(inner: &Value) -> Result<Self, QueryError> {
        let (field, value) = pair("IN", inner)?;
        let Value::Array(values) = value else { return refuse("IN filter value must be an array") };
        Ok(Self::In { field, values: values.clone() })
    }

    fn list(word: &str, inner: &Value, depth: usize) -> Result<Vec<Self>, QueryError> {
        let Value::Array(filters) = inner else { return refuse(format!("{word} filter must be an array")) };
        if filters.len() < 2 {
            return refuse(format!("{word} filter must contain at least two entries"));
        }
        let Some(depth) = depth.checked_sub(1) else {
            return refuse(format!("filters are nested deeper than {MAX_DEPTH} levels"));
        };
        filters.iter().map(|filter| Self::read(filter, depth)).collect()
    }
}

fn pair<'a>(word: &str, inner: &'a Value) -> Result<(String, &'a Value), QueryError> {
    let Value::Object(object) = inner else { return refuse(format!("{word} filter must be a map")) };
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((field, value)), None) => Ok((field.clone(), value)),
        _ if word == "IN" => refuse("IN filter must contain a single key/value pair"),
        _ => refuse(format!("{word} filter must contain a single key/value pair")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why(text: &str) -> String {
        Query::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_query_is_read_with_filter_order_and_page() {
        let query = Query::parse(
            r#"{"filter":{"OR":[{"EQ":{"person.org":"A"}},{"AND":[{"GTE":{"n":2.5}},{"IN":{"s":["x",1]}}]}]},
                "sort":[{"key":"person.id","order":"DESC"},{"key":"n"}],"Page":{"limit":3,"token":"t"},"more":1}"#,
        )
        .unwrap();
        let compare = |field: &str, comparison, value| Filter::Compare { field: field.to_owned(), comparison, value };
        let one_of = Filter::In { field: "s".to_owned(), values: vec![json!("x"), json!(1)] };
        let both = Filter::And(vec![compare("n", Comparison::GreaterOrEqual, json!(2.5)), one_of]);
        let filter = Filter::Or(vec![compare("person.org", Comparison::Equal, json!("A")), both]);
        let sorting = |field: &str, order: &str| Sorting { field: field.to_owned(), order: order.to_owned() };
        let sort = vec![sorting("person.id", "DESC"), sorting("n", "")];
        assert_eq!(query, Query { filter: Some(filter), sort, limit: Some(3), token: Some("t".to_owned()) });
    }

    #[test]
    fn an_empty_query_asks_for_everything() {
        for text in ["{}", "null", r#"{"filter":{},"sort":null,"page":{"limit":0}}"#] {
            assert_eq!(Query::parse(text).unwrap(), Query::default(), "{text}");
        }
    }

    #[test]
    fn wrong_filters_are_refused_in_the_targets_words() {
        for (filter, said) in [
            (r#"{"EQ":{"a":1},"NEQ":{"a":1}}"#, "filter unit must have a single element"),
            (r#"{"LIKE":{"a":1}}"#, "unsupported filter \"LIKE\""),
            (r#"{"eq":{"a":1}}"#, "unsupported filter \"eq\""),
            (r#"{"LT":[1]}"#, "LT filter must be a map"),
            (r#"{"NEQ":{}}"#, "NEQ filter must contain a single key/value pair"),
            (r#"{"IN":{"a":1}}"#, "IN filter value must be an array"),
            (r#"{"AND":{}}"#, "AND filter must be an array"),
            (r#"{"OR":[{"EQ":{"a":1}}]}"#, "OR filter must contain at least two entries"),
            (r#"{"OR":[1,2]}"#, "filter unit must be a map"),
        ] {
            assert_eq!(why(&format!("{{\"filter\":{filter}}}")), said, "{filter}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for text in ["", "7", "[]", r#"{"filter":[]}"#, r#"{"sort":{}}"#, r#"{"sort":["a"]}"#, r#"{"page":1}"#] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
        for limit in ["-1", "1.5", "\"1\""] {
            assert_eq!(
                why(&format!("{{\"page\":{{\"limit\":{limit}}}}}")),
                "\"limit\" must be a whole number that is not negative"
            );
        }
    }

    #[test]
    fn filters_cannot_be_nested_without_end() {
        let deep = (0..100)
            .fold("{\"EQ\":{\"a\":1}}".to_owned(), |inner, _| format!("{{\"AND\":[{inner},{{\"EQ\":{{\"a\":1}}}}]}}"));
        let said = why(&format!("{{\"filter\":{deep}}}"));
        assert!(said.contains("nested deeper") || said.contains("recursion limit"), "{said}");
    }
}

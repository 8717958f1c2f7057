//! A cloud event as a value of the expression language. Called by [`crate::Rule`].
//!
//! Every number is a double, as the target reads JSON.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value as Cel;
use cel::objects::{Key, Map as CelMap};
use serde_json::{Map, Value};

use crate::Error;

/// Deeper than any event is: JSON from outside is read to a depth of 128.
const DEPTH: usize = 160;

/// The event as a value, and of how many parts it is made.
///
/// # Errors
/// [`Error::TooLarge`] when it is too deep.
pub(crate) fn convert(event: &Map<String, Value>) -> Result<(Cel, usize), Error> {
    let mut parts = 0;
    let value = object(event, DEPTH, &mut parts)?;
    Ok((value, parts))
}

fn object(object: &Map<String, Value>, depth: usize, parts: &mut usize) -> Result<Cel, Error> {
    let mut map = HashMap::with_capacity(object.len());
    for (name, value) in object {
        map.insert(Key::String(Arc::new(name.clone())), any(value, depth, parts)?);
    }
    Ok(Cel::Map(CelMap { map: Arc::new(map) }))
}

fn any(value: &Value, depth: usize, parts: &mut usize) -> Result<Cel, Error> {
    *parts = parts.saturating_add(1);
    let depth = depth.checked_sub(1).ok_or(Error::TooLarge)?;
    Ok(match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Number(number) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(values) => {
            let values: Result<Vec<Cel>, Error> = values.iter().map(|value| any(value, depth, parts)).collect();
            Cel::List(Arc::new(values?))
        }
        Value::Object(inner) => object(inner, depth, parts)?,
    })
}

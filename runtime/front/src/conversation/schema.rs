//! Objects of protobuf (`google.protobuf.Struct`) as JSON, and back. Numbers that are whole stay whole.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Wire};
use serde_json::{Map, Number, Value};

/// Whole numbers up to here are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A protobuf object as JSON.
pub(crate) fn object(object: Struct) -> Map<String, Value> {
    object.fields.into_iter().map(|(name, found)| (name, value(found))).collect()
}

fn value(found: Wire) -> Value {
    match found.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => Value::Bool(truth),
        Some(Kind::NumberValue(found)) => number(found),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(value).collect(),
        Some(Kind::StructValue(found)) => Value::Object(object(found)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole, and in the range where that is exact")]
fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Value::Number((number as i64).into());
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// JSON as a protobuf object.
pub(crate) fn wire_object(object: &Map<String, Value>) -> Struct {
    Struct { fields: object.iter().map(|(name, value)| (name.clone(), wire_value(value))).collect() }
}

fn wire_value(value: &Value) -> Wire {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(wire_value).collect() }),
        Value::Object(members) => Kind::StructValue(wire_object(members)),
    };
    Wire { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_keep_their_values_both_ways() {
        let schema = json!({"a": [1, -2.5, "x", null, true], "b": {"maxLength": 9}, "c": 1e300});
        let members = schema.as_object().unwrap();
        assert_eq!(Value::Object(object(wire_object(members))), schema);
    }
}

//! A gRPC message in its JSON form, for the APIs whose bodies are that. Read by `lock` and `subtle`. Fields have two
//! spellings; unknown ones are not looked at, null is as good as missing.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use errors::ApiError;
use serde_json::{Map, Value};
use service::{Body, ReadError};

use crate::Api;

/// The two alphabets, with padding or without.
const BASE64: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT),
    GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT),
];
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A message.
pub(super) struct Message(Map<String, Value>);

impl Message {
    pub(super) async fn read(api: &Api, body: Body) -> Result<Self, ApiError> {
        let body = service::read_bounded(body, api.limits.max_body).await.map_err(|error| match error {
            ReadError::TooLarge(_) => errors::body_read("stream too large"),
            ReadError::Failed(error) if error.is::<service::BodyTooLarge>() => errors::body_read("stream too large"),
            ReadError::Failed(error) => errors::body_read(error),
        })?;
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        serde_json::from_slice(&body).map(Self).map_err(errors::malformed_request)
    }

    fn field(&self, name: &str, other: &str) -> Option<&Value> {
        self.0.get(name).or_else(|| self.0.get(other)).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str, other: &str) -> Result<String, ApiError> {
        match self.field(name, other) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value) => Err(errors::malformed_request(format!("invalid value for string field {name}: {value}"))),
        }
    }

    /// A number may stand in quotes.
    pub(super) fn number(&self, name: &str, other: &str) -> Result<i32, ApiError> {
        let whole = |number: f64| (number.fract() == 0.0).then_some(number);
        let in_range = |number: f64| i32::try_from(number as i64).ok();
        match self.field(name, other) {
            None => Ok(0),
            Some(value) => match value {
                Value::Number(number) => number.as_f64().and_then(whole).and_then(in_range),
                Value::String(text) => text.parse().ok(),
                _ => None,
            }
            .ok_or_else(|| errors::malformed_request(format!("invalid value for int32 field {name}: {value}"))),
        }
    }

    /// Bytes in base64 of either alphabet. The value, which may be a secret, is not quoted.
    pub(super) fn bytes(&self, name: &str, other: &str) -> Result<Vec<u8>, ApiError> {
        let invalid = || errors::malformed_request(format!("invalid value for bytes field {name}"));
        let Some(value) = self.field(name, other) else { return Ok(Vec::new()) };
        let text = value.as_str().ok_or_else(invalid)?;
        BASE64.iter().find_map(|alphabet| alphabet.decode(text).ok()).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(value: Value) -> Message {
        Message(value.as_object().unwrap().clone())
    }

    #[test]
    fn both_spellings_of_a_field_are_read_and_a_number_may_stand_in_quotes() {
        for name in ["resourceId", "resource_id"] {
            let read = message(json!({ name: "r", "more": [] })).text("resourceId", "resource_id");
            assert_eq!(read.unwrap(), "r");
        }
        for value in [json!(7), json!("7"), json!(7.0)] {
            let read = message(json!({ "expiryInSeconds": value }));
            assert_eq!(read.number("expiryInSeconds", "expiry_in_seconds").unwrap(), 7);
        }
        let empty = message(json!({ "a": null }));
        assert_eq!((empty.text("a", "a").unwrap(), empty.number("a", "a").unwrap()), (String::new(), 0));
    }

    #[test]
    fn values_of_the_wrong_type_are_refused() {
        for value in [json!(1.5), json!("x"), json!(true), json!(1e12), json!([])] {
            assert!(message(json!({ "n": value })).number("n", "n").is_err(), "{value}");
        }
        let error = message(json!({ "resourceId": 7 })).text("resourceId", "resource_id").unwrap_err();
        assert!(error.message().ends_with("invalid value for string field resourceId: 7"), "{error}");
    }

    #[test]
    fn bytes_are_base64_of_either_alphabet_and_never_quoted() {
        for text in ["-_8=", "-_8", "+/8=", "+/8"] {
            assert_eq!(message(json!({ "b": text })).bytes("b", "b").unwrap(), [0xfb, 0xff]);
        }
        assert!(message(json!({})).bytes("b", "b").unwrap().is_empty());
        for value in [json!("t0psecret!"), json!(7)] {
            let error = message(json!({ "b": value })).bytes("b", "b").unwrap_err();
            assert!(error.message().ends_with("invalid value for bytes field b"), "{error}");
        }
    }
}

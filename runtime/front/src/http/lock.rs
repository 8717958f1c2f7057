//! The lock API over HTTP. Called by the HTTP door. Bodies are the JSON form of the gRPC messages, as in the target.

use blocks::lock::{TryLock, Unlock};
use errors::ApiError;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use service::{Body, ReadError};

use super::{Routed, respond};
use crate::Api;
use crate::context::Requested;
use crate::grpc::{lock_number, lock_refusal};

pub(super) async fn try_lock(api: &Api, request: Routed) -> Response<Body> {
    answer(tried(api, request).await)
}

pub(super) async fn unlock(api: &Api, request: Routed) -> Response<Body> {
    answer(unlocked(api, request).await)
}

fn answer(result: Result<String, ApiError>) -> Response<Body> {
    match result {
        Ok(json) => respond::json(StatusCode::OK, json),
        Err(error) => respond::error(&error),
    }
}

async fn tried(api: &Api, request: Routed) -> Result<String, ApiError> {
    let (context, store) = (Requested::http(&request.headers), request.parameter("storeName").to_owned());
    let message = Message::read(api, request.body).await?;
    let wanted = TryLock {
        store,
        resource: message.text("resourceId", "resource_id")?,
        owner: message.text("lockOwner", "lock_owner")?,
        expiry_seconds: message.number("expiryInSeconds", "expiry_in_seconds")?,
    };
    let success = api.locks.try_lock(&context, wanted).await.map_err(lock_refusal)?;
    Ok(format!("{{\"success\":{success}}}"))
}

async fn unlocked(api: &Api, request: Routed) -> Result<String, ApiError> {
    let (context, store) = (Requested::http(&request.headers), request.parameter("storeName").to_owned());
    let message = Message::read(api, request.body).await?;
    let (resource, owner) = (message.text("resourceId", "resource_id")?, message.text("lockOwner", "lock_owner")?);
    let unlocked = api.locks.unlock(&context, Unlock { store, resource, owner }).await.map_err(lock_refusal)?;
    Ok(format!("{{\"status\":{}}}", lock_number(unlocked)))
}

/// A gRPC message as JSON. Fields have two spellings; unknown ones are not looked at, null is as good as missing.
struct Message(Map<String, Value>);

impl Message {
    async fn read(api: &Api, body: Body) -> Result<Self, ApiError> {
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

    fn text(&self, name: &str, other: &str) -> Result<String, ApiError> {
        match self.field(name, other) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value) => Err(errors::malformed_request(format!("invalid value for string field {name}: {value}"))),
        }
    }

    /// A number may stand in quotes.
    fn number(&self, name: &str, other: &str) -> Result<i32, ApiError> {
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
}

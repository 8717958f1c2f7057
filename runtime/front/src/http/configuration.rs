//! The configuration API over HTTP. Called by the HTTP door. Changes go to the app, which the block sends them to.

use blocks::configuration::{self, Error, Request};
use errors::ApiError;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use service::Body;

use super::secrets::{metadata, without_markup};
use super::{Routed, respond};
use crate::Api;
use crate::context::Requested;
use crate::grpc::configuration_refusal;

pub(super) async fn get(api: &Api, request: Routed) -> Response<Body> {
    let (context, store, wanted) = asked(request);
    match api.configuration.get(&context, &store, wanted).await {
        Ok(items) if items.is_empty() => respond::empty(),
        Ok(items) => {
            let items: Map<String, Value> =
                items.iter().map(|(key, item)| (key.clone(), configuration::json(item))).collect();
            answer(StatusCode::OK, &items.into())
        }
        Err(error) => respond::error(&refusal(error)),
    }
}

pub(super) async fn subscribe(api: &Api, request: Routed) -> Response<Body> {
    let (context, store, wanted) = asked(request);
    match api.configuration.subscribe_app(&context, &store, wanted).await {
        Ok(id) => answer(StatusCode::OK, &json!({ "id": id })),
        Err(error) => respond::error(&refusal(error)),
    }
}

pub(super) fn unsubscribe(api: &Api, request: &Routed) -> Response<Body> {
    let (store, id) = (request.parameter("storeName"), request.parameter("configurationSubscribeID"));
    match api.configuration.unsubscribe_from(store, id) {
        Ok(()) => answer(StatusCode::OK, &json!({ "ok": true })),
        // Not an error of the catalogue on the wire: its message stands in the answer, as in the target.
        Err(error @ Error::Unsubscribe { .. }) => {
            let error = refusal(error);
            let mut response = answer(errors::http::render(&error).status, &json!({ "message": error.message() }));
            respond::note(&error, &mut response);
            response
        }
        Err(error) => respond::error(&refusal(error)),
    }
}

/// Context, store, and the keys that stand in the query string, in their order. The body is not read.
fn asked(request: Routed) -> (Requested, String, Request) {
    let keys = request.query().into_iter().filter_map(|(name, value)| (name == "key").then_some(value)).collect();
    let wanted = Request { keys, metadata: metadata(&request) };
    (Requested::http(&request.headers), request.parameter("storeName").to_owned(), wanted)
}

fn answer(status: StatusCode, value: &Value) -> Response<Body> {
    respond::json(status, without_markup(&value.to_string()) + "\n")
}

fn refusal(error: Error) -> ApiError {
    configuration_refusal(error)
}

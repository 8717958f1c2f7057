//! The lock API over HTTP. Called by the HTTP door. Bodies are the JSON form of the gRPC messages, as in the target.

use blocks::lock::{TryLock, Unlock};
use errors::ApiError;
use http::{Response, StatusCode};
use service::Body;

use super::message::Message;
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

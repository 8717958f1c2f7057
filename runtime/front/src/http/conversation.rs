//! The conversation API over HTTP. Called by the HTTP door. Bodies are the JSON form of the gRPC messages, as in the target.

mod reading;
mod writing;

use errors::ApiError;
use http::{Response, StatusCode};
use service::{Body, ReadError};

use super::{Routed, respond};
use crate::context::Requested;
use crate::{Api, conversation};

pub(super) async fn alpha1(api: &Api, request: Routed) -> Response<Body> {
    answer(converse_alpha1(api, request).await)
}

pub(super) async fn alpha2(api: &Api, request: Routed) -> Response<Body> {
    answer(converse_alpha2(api, request).await)
}

fn answer(result: Result<serde_json::Value, ApiError>) -> Response<Body> {
    match result {
        Ok(json) => respond::json(StatusCode::OK, json.to_string()),
        Err(error) => respond::error(&error),
    }
}

async fn converse_alpha1(api: &Api, request: Routed) -> Result<serde_json::Value, ApiError> {
    let (context, name) = (Requested::http(&request.headers), request.parameter("name").to_owned());
    let (mut asked, parameters) = reading::alpha1(&read(api, request.body).await?)?;
    asked.name = name;
    let answer = conversation::alpha1(api, &context, asked).await?;
    Ok(writing::alpha1(answer, &parameters))
}

async fn converse_alpha2(api: &Api, request: Routed) -> Result<serde_json::Value, ApiError> {
    let (context, name) = (Requested::http(&request.headers), request.parameter("name").to_owned());
    let mut asked = reading::alpha2(&read(api, request.body).await?)?;
    asked.name = name;
    conversation::alpha2(api, &context, asked).await.map(writing::alpha2)
}

async fn read(api: &Api, body: Body) -> Result<bytes::Bytes, ApiError> {
    let read = service::read_bounded(body, api.limits.max_body).await;
    read.map_err(|error| match error {
        ReadError::TooLarge(_) => errors::body_read("stream too large"),
        ReadError::Failed(error) if error.is::<service::BodyTooLarge>() => errors::body_read("stream too large"),
        ReadError::Failed(error) => errors::body_read(error),
    })
}

//! Ready-made answers for the routes of an app.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;

use super::{Arrived, BoxedBody, body_of, channel_body};

type Answer = Pin<Box<dyn Future<Output = Response<BoxedBody>> + Send>>;

pub(crate) fn response(status: u16, body: impl Into<Bytes>) -> Response<BoxedBody> {
    Response::builder().status(status).body(body_of(body)).expect("a status")
}

/// Sends the body back as it comes, with its content type.
pub fn echo() -> impl Fn(Arrived) -> Ready<Response<BoxedBody>> + Send + Sync + 'static {
    |arrived| {
        let mut response = Response::new(arrived.body);
        if let Some(content_type) = arrived.headers.get(CONTENT_TYPE) {
            response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
        }
        ready(response)
    }
}

/// Answers with the verb, path and query of the request.
pub fn path_echo() -> impl Fn(Arrived) -> Ready<Response<BoxedBody>> + Send + Sync + 'static {
    |arrived| ready(response(200, format!("{} {}", arrived.method, arrived.uri)))
}

/// Answers with 200 and this text.
pub fn reply(text: &'static str) -> impl Fn(Arrived) -> Ready<Response<BoxedBody>> + Send + Sync + 'static {
    move |_| ready(response(200, text))
}

/// Answers with this status and text.
pub fn status(code: u16, text: &'static str) -> impl Fn(Arrived) -> Ready<Response<BoxedBody>> + Send + Sync + 'static {
    move |_| ready(response(code, text))
}

/// Answers with `text` after a while.
pub fn sleep_then(pause: Duration, text: &'static str) -> impl Fn(Arrived) -> Answer + Send + Sync + 'static {
    move |_| {
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            response(200, text)
        })
    }
}

/// Sends the pieces with a pause after each.
pub fn chunks(
    content_type: &'static str,
    pieces: &'static [&'static str],
    pause: Duration,
) -> impl Fn(Arrived) -> Ready<Response<BoxedBody>> + Send + Sync + 'static {
    move |_| {
        let (sender, body) = channel_body();
        crate::runtime::spawn(async move {
            for piece in pieces {
                if sender.send(Ok(Bytes::from_static(piece.as_bytes()))).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
        });
        ready(Response::builder().header(CONTENT_TYPE, content_type).body(body).expect("a response"))
    }
}

/// Sends `text` and then breaks the connection, in the middle of the body.
pub fn abort_after(text: &'static str) -> impl Fn(Arrived) -> Ready<Response<BoxedBody>> + Send + Sync + 'static {
    move |_| {
        let (sender, body) = channel_body();
        crate::runtime::spawn(async move {
            let _ = sender.send(Ok(Bytes::from_static(text.as_bytes()))).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = sender.send(Err("the app breaks off")).await;
        });
        ready(Response::new(body))
    }
}

//! The app that ships what was ordered: it tells its sidecar which topic it wants, and gets each message until it has answered
//! that it is done with it. What is published while it does not run waits for it.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use quickstart::respond;

/// The topic of the app `orders`, and where its messages go.
const WANTED: &str = r#"[{"pubsubname":"pubsub","topic":"accepted-orders","route":"/ship"}]"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = quickstart::number("APP_PORT", 7012);
    println!("listening on port {port}");
    quickstart::serve(port, answer).await
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/dapr/subscribe") => respond(StatusCode::OK, WANTED),
        (&Method::POST, "/ship") => match quickstart::text_of(request).await {
            Some(event) => {
                println!("shipped {}", order_in(&event));
                respond(StatusCode::OK, r#"{"status":"SUCCESS"}"#)
            }
            None => respond(StatusCode::BAD_REQUEST, r#"{"error":"the event is too large or was cut off"}"#),
        },
        _ => respond(StatusCode::NOT_FOUND, r#"{"error":"there is only POST /ship"}"#),
    }
}

/// The order in a cloud event: its attribute `data`, or the whole event where that is not there.
fn order_in(event: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(event).ok();
    parsed.and_then(|event| event.get("data").map(ToString::to_string)).unwrap_or_else(|| event.to_owned())
}

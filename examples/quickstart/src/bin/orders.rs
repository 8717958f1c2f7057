//! The app that is called: it accepts every order it is sent. It knows nothing of sidecars.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

/// The largest order, bytes.
const LARGEST: usize = 64 << 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = quickstart::number("APP_PORT", 7011);
    println!("listening on port {port}");
    quickstart::serve(port, answer).await
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    if (request.method(), request.uri().path()) != (&Method::POST, "/orders") {
        return respond(StatusCode::NOT_FOUND, r#"{"error":"there is only POST /orders"}"#);
    }
    let caller = request.headers().get("dapr-caller-app-id").and_then(|caller| caller.to_str().ok());
    let caller = caller.unwrap_or("somebody").to_owned();
    match Limited::new(request.into_body(), LARGEST).collect().await {
        Ok(order) => {
            println!("{caller} orders {}", String::from_utf8_lossy(&order.to_bytes()));
            respond(StatusCode::OK, r#"{"accepted":true}"#)
        }
        Err(_) => respond(StatusCode::BAD_REQUEST, r#"{"error":"the order is too large or was cut off"}"#),
    }
}

fn respond(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

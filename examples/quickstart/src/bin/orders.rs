//! The app that is called: it accepts the orders it is sent, and publishes each to whoever ships it. It answers once the
//! broker has the message, so that an accepted order is shipped whatever happens to the apps afterwards.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use quickstart::{Sidecar, respond};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = quickstart::number("APP_PORT", 7011);
    let sidecar = Sidecar::on(quickstart::number("DAPR_HTTP_PORT", 3500));
    println!("listening on port {port}");
    quickstart::serve(port, move |request| answer(sidecar, request)).await
}

async fn answer(sidecar: Sidecar, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if (request.method(), request.uri().path()) != (&Method::POST, "/orders") {
        return respond(StatusCode::NOT_FOUND, r#"{"error":"there is only POST /orders"}"#);
    }
    let caller = request.headers().get("dapr-caller-app-id").and_then(|caller| caller.to_str().ok());
    let caller = caller.unwrap_or("somebody").to_owned();
    let Some(order) = quickstart::text_of(request).await else {
        return respond(StatusCode::BAD_REQUEST, r#"{"error":"the order is too large or was cut off"}"#);
    };
    match sidecar.publish("pubsub", "accepted-orders", order.clone()).await {
        Ok(()) => {
            println!("{caller} orders {order}");
            respond(StatusCode::OK, r#"{"accepted":true}"#)
        }
        Err(error) => {
            println!("{caller} orders {order}, but it cannot be published: {error}");
            respond(StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"the order cannot be handed on, try again"}"#)
        }
    }
}

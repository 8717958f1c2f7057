//! The app that is called: it gives back what it gets, over HTTP/1.1 and over gRPC. Called by `parties`.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use service::{Body, Executor, Tasks, body};
use tokio::net::TcpListener;

use crate::client::Protocol;

/// Starts it and gives its port.
///
/// # Errors
/// When there is no port.
pub(crate) async fn serve(protocol: Protocol, tasks: &Tasks) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let connections = tasks.clone();
    tasks.spawn("app", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (stream, executor) = (TokioIo::new(stream), Executor::new(connections.clone()));
            match protocol {
                Protocol::Http => {
                    let connection = http1::Builder::new().serve_connection(stream, service_fn(answer));
                    connections.spawn("app connection", connection);
                }
                Protocol::Grpc => {
                    let connection = http2::Builder::new(executor).serve_connection(stream, service_fn(answer_grpc));
                    connections.spawn("app connection", connection);
                }
            }
        }
    });
    Ok(port)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(body::full(whole(request).await)))
}

async fn answer_grpc(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let content = Full::new(whole(request).await).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body::boxed(content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

async fn whole(request: Request<Incoming>) -> Bytes {
    request.into_body().collect().await.map(|whole| whole.to_bytes()).unwrap_or_default()
}

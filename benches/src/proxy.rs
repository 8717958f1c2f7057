//! The bare proxy: what passing HTTP/1.1 on costs with hyper and nothing else, on one thread. The yardstick of `compare`, run as a
//! process of its own (`rig proxy --to ADDRESS`), and of the counts, whose driver has this very file. It knows nothing of the rig.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use service::{Body, Tasks, body};
use tokio::net::TcpListener;

/// Serves for ever.
///
/// # Errors
/// When it can accept no more.
pub(crate) async fn serve(listener: TcpListener, to: SocketAddr, tasks: Tasks) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let authority: Authority = to.to_string().parse()?;
    let host = HeaderValue::from_str(authority.as_str())?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, authority, host) = (client.clone(), authority.clone(), host.clone());
        let passed_on = service_fn(move |request| pass(client.clone(), authority.clone(), host.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), passed_on);
        tasks.spawn("proxied connection", connection);
    }
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
    host: HeaderValue,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut uri = http::uri::Parts::default();
    (uri.scheme, uri.authority, uri.path_and_query) = (Some(Scheme::HTTP), Some(authority), Some(path));
    if let Ok(uri) = Uri::from_parts(uri) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().insert(http::header::HOST, host);
    match client.request(request).await {
        Ok(response) => Ok(response.map(body::from_incoming)),
        Err(error) => {
            let mut response = Response::new(body::full(error.to_string()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    }
}

//! The HTTP client that components are offered: the process's own stack, with the system's root certificates or others.
//! Nothing is connected and no certificate is read before the first request.

use std::io;
use std::sync::Arc;

use component::http::{HttpBody, Outbound};
use component::{Error, ErrorKind, HttpClient, Retry};
use http::{Request, Response};
use service::{Dialer, Tasks};

/// What servers outside may answer with in headers.
const MAX_HEADERS: usize = 64 << 10;
const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// A client for the components of a sidecar.
pub(crate) fn client(tasks: &Tasks) -> HttpClient {
    let system = || security::tls::with_system_roots(PROTOCOLS).map_err(|error| io::Error::other(error.to_string()));
    HttpClient::new(Arc::new(Client::new(Dialer::with_tls(system), tasks)))
}

struct Client {
    http: service::HttpClient,
    tasks: Tasks,
}

impl Client {
    fn new(dialer: Dialer, tasks: &Tasks) -> Self {
        Self { http: service::HttpClient::new(dialer, false, MAX_HEADERS, tasks), tasks: tasks.clone() }
    }
}

#[async_trait::async_trait]
impl Outbound for Client {
    async fn send(&self, request: Request<HttpBody>) -> Result<Response<HttpBody>, Error> {
        let answer = self.http.send(request).await.map_err(|error| {
            let retry = if error.unsent { Retry::NotProcessed } else { Retry::MaybeProcessed };
            Error::new(ErrorKind::Unavailable, error.message).with_retry(retry)
        })?;
        Ok(answer.map(service::body::boxed))
    }

    fn trusting(&self, roots: &str) -> Result<Arc<dyn Outbound>, Error> {
        let config = security::tls::with_material(Some(roots), None, PROTOCOLS)
            .map_err(|error| Error::new(ErrorKind::InvalidArgument, error.to_string()))?;
        Ok(Arc::new(Self::new(Dialer::with_tls(move || Ok(Arc::clone(&config))), &self.tasks)))
    }
}

//! One endpoint of a pool, as its users hold it: they send requests, and no address. Used by `mesh`, by channels to gRPC apps and
//! by gRPC client stubs. It must not decide what may be sent again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};

use super::{Connections, SendError};
use crate::Body;
use crate::dial::Endpoint;

/// One endpoint of a pool, as a gRPC client stub takes it.
#[derive(Clone)]
pub struct Channel {
    connections: Connections,
    address: Arc<str>,
    peer: Arc<str>,
}

impl Channel {
    /// The address `host:port` through this pool.
    #[must_use]
    pub fn new(connections: Connections, address: impl Into<Arc<str>>) -> Self {
        Self::expecting(connections, address, "")
    }

    /// The address `host:port` through this pool, where `peer` has to prove itself.
    #[must_use]
    pub fn expecting(connections: Connections, address: impl Into<Arc<str>>, peer: impl Into<Arc<str>>) -> Self {
        Self { connections, address: address.into(), peer: peer.into() }
    }

    /// Sends one request; its URI gets the address of this channel.
    ///
    /// # Errors
    /// [`SendFailure`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, SendFailure> {
        let to = Endpoint { address: &self.address, peer: &self.peer };
        Ok(self.connections.send(to, request).await?)
    }
}

/// A request that got no answer, as an error.
#[derive(Debug, Clone)]
pub struct SendFailure {
    /// Whether it provably did not reach the peer.
    pub unsent: bool,
    /// What went wrong, in words.
    pub reason: String,
}

impl From<SendError> for SendFailure {
    fn from(error: SendError) -> Self {
        Self { unsent: matches!(error, SendError::NotSent { .. }), reason: error.reason().to_owned() }
    }
}

impl std::fmt::Display for SendFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for SendFailure {}

impl<B> tower_service::Service<Request<B>> for Channel
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<crate::BoxError>,
{
    type Response = Response<Body>;
    type Error = SendFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, SendFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let channel = self.clone();
        Box::pin(async move { channel.send(request.map(crate::body::boxed)).await })
    }
}

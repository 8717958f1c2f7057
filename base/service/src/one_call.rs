//! One HTTP/1.1 call over a connection of its own, for those who call rarely: the command line, and a sidecar that waits
//! for another. Nothing is pooled or retried.

use bytes::Bytes;
use http::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::{Body, BoxError, Stream, read_bounded};

/// Sends a request and reads the whole answer, of at most `max` bytes.
///
/// # Errors
/// When the connection breaks, or the answer is not HTTP or too large.
pub async fn call_once(stream: Stream, request: Request<Body>, max: u64) -> Result<Response<Bytes>, BoxError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok::<_, BoxError>(Response::from_parts(head, read_bounded(body, max).await?))
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        closed = connection => {
            closed?;
            answer.await
        }
    }
}

//! Encrypting and decrypting documents over gRPC: a stream of pieces in, one out, each piece with its number. Called by
//! the Dapr service. Pieces are made as the caller takes them.

use std::time::Duration;

use blocks::crypto::{Crypto, Document, Encrypt, Error, Input, InputFault};
use bytes::Bytes;
use errors::ApiError;
use tonic::codegen::BoxStream;
use tonic::{Request, Status, Streaming};
use wire::common::StreamPayload;
use wire::runtime as v1;

use super::stream;
use crate::context::Requested;

/// How long the first message, with the options, is waited for. From the target.
const FIRST_MESSAGE: Duration = Duration::from_secs(5);

/// A message of the caller.
trait Message: Send + 'static {
    type Options;

    fn take(self) -> (Option<Self::Options>, Option<StreamPayload>);
}

impl Message for v1::EncryptRequest {
    type Options = v1::EncryptRequestOptions;

    fn take(self) -> (Option<Self::Options>, Option<StreamPayload>) {
        (self.options, self.payload)
    }
}

impl Message for v1::DecryptRequest {
    type Options = v1::DecryptRequestOptions;

    fn take(self) -> (Option<Self::Options>, Option<StreamPayload>) {
        (self.options, self.payload)
    }
}

pub(super) async fn encrypt(
    crypto: &Crypto,
    request: Request<Streaming<v1::EncryptRequest>>,
) -> Result<BoxStream<v1::EncryptResponse>, Status> {
    let (context, messages) = Requested::grpc(request);
    let (options, pieces) = first(messages).await?;
    let missing = |name| errors::bad_request(format!("missing property '{name}' in the options message"));
    if options.key_name.is_empty() {
        return Err(logged(missing("keyName")).into());
    }
    if options.key_wrap_algorithm.is_empty() {
        return Err(logged(missing("keyWrapAlgorithm")).into());
    }
    let wanted = Encrypt {
        key: options.key_name,
        algorithm: options.key_wrap_algorithm,
        cipher: options.data_encryption_cipher,
        omit_decryption_key: options.omit_decryption_key_name,
        decryption_key: options.decryption_key_name,
    };
    let provider = crypto.provider(&options.component_name).map_err(refusal)?;
    let document = provider.encrypt(&context, &wanted, pieces).await.map_err(refusal)?;
    Ok(answer(document, context, |payload| v1::EncryptResponse { payload: Some(payload) }))
}

pub(super) async fn decrypt(
    crypto: &Crypto,
    request: Request<Streaming<v1::DecryptRequest>>,
) -> Result<BoxStream<v1::DecryptResponse>, Status> {
    let (context, messages) = Requested::grpc(request);
    let (options, pieces) = first(messages).await?;
    let provider = crypto.provider(&options.component_name).map_err(refusal)?;
    let document = provider.decrypt(&context, &options.key_name, pieces).await.map_err(refusal)?;
    Ok(answer(document, context, |payload| v1::DecryptResponse { payload: Some(payload) }))
}

/// The options of the first message, and the pieces that come with it and after it.
async fn first<M: Message>(mut messages: Streaming<M>) -> Result<(M::Options, Box<dyn Input>), ApiError> {
    let first = tokio::time::timeout(FIRST_MESSAGE, messages.message()).await;
    let first =
        first.map_err(|_| logged(errors::bad_request("error waiting for first message: context deadline exceeded")))?;
    let failed = |why: &str| logged(errors::crypto_operation(format!("error receiving the first message: {why}")));
    let message = first.map_err(|status| failed(status.message()))?.ok_or_else(|| failed("EOF"))?;
    let (options, payload) = message.take();
    let options =
        options.ok_or_else(|| logged(errors::bad_request("first message does not contain the required options")))?;
    Ok((options, Box::new(Pieces { first: payload, messages, expected: 0 })))
}

struct Pieces<M> {
    first: Option<StreamPayload>,
    messages: Streaming<M>,
    expected: u64,
}

#[async_trait::async_trait]
impl<M: Message> Input for Pieces<M> {
    async fn next(&mut self) -> Option<Result<Bytes, InputFault>> {
        loop {
            if let Some(payload) = self.first.take() {
                return Some(self.checked(payload));
            }
            let message = match self.messages.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return None,
                Err(status) => {
                    return Some(Err(InputFault(format!("error receiving message: {}", status.message()))));
                }
            };
            match message.take() {
                (Some(_), _) => return Some(Err(InputFault("options found in non-leading message".to_owned()))),
                (None, payload) => self.first = payload,
            }
        }
    }
}

impl<M> Pieces<M> {
    fn checked(&mut self, payload: StreamPayload) -> Result<Bytes, InputFault> {
        let StreamPayload { data, seq } = payload;
        if seq != self.expected {
            let text = format!("invalid sequence number received: {seq} (expected: {})", self.expected);
            return Err(InputFault(text));
        }
        self.expected += 1;
        Ok(data)
    }
}

/// The document piece by piece. It ends with a status unless it is whole.
fn answer<T: 'static>(
    document: Document,
    context: Requested,
    message: impl Fn(StreamPayload) -> T + Clone + Send + Sync + Unpin + 'static,
) -> BoxStream<T> {
    stream::unfold((document, context, 0_u64), move |(mut document, context, seq)| {
        let message = message.clone();
        async move {
            let piece = document.next().await?;
            let piece = piece.map(|data| message(StreamPayload { data, seq })).map_err(broken);
            Some((piece, (document, context, seq.wrapping_add(1))))
        }
    })
}

fn broken(error: Error) -> Status {
    Status::from(logged(errors::crypto_operation(error)))
}

/// The row of the catalogue that a failure of the block is; over HTTP too.
pub(crate) fn refusal(error: Error) -> ApiError {
    logged(match error {
        Error::NotConfigured => errors::crypto_providers_not_configured(),
        Error::NameEmpty => errors::bad_request("missing component name"),
        Error::NotFound { provider } => errors::crypto_provider_not_found(provider),
        Error::SubtleOff => errors::api_unimplemented(),
        Error::Operation { message } => errors::crypto_operation(message),
        Error::Document { message } => errors::generic(message),
        Error::PublicKey { key, message } => errors::crypto_key(key, message),
    })
}

fn logged(error: ApiError) -> ApiError {
    tracing::debug!(target: "dapr.runtime", "{error}");
    error
}

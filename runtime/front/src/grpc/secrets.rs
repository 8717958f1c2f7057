//! The secrets API over gRPC. Called by the Dapr service. No secret reaches a log or an error.

use blocks::secrets::{Error, Secrets};
use errors::ApiError;
use tonic::{Request, Status};
use wire::runtime::{GetBulkSecretRequest, GetBulkSecretResponse, GetSecretRequest, GetSecretResponse, SecretResponse};

use crate::context::Requested;

pub(super) async fn get(secrets: &Secrets, request: Request<GetSecretRequest>) -> Result<GetSecretResponse, Status> {
    let (context, GetSecretRequest { store_name, key, metadata }) = Requested::grpc(request);
    let metadata = metadata.into_iter().collect();
    let got = secrets.get(&context, &store_name, &key, &metadata).await;
    Ok(GetSecretResponse { data: got.map_err(refusal)?.0.into_iter().collect() })
}

pub(super) async fn get_bulk(
    secrets: &Secrets,
    request: Request<GetBulkSecretRequest>,
) -> Result<GetBulkSecretResponse, Status> {
    let (context, GetBulkSecretRequest { store_name, metadata }) = Requested::grpc(request);
    let got = secrets.get_all(&context, &store_name, &metadata.into_iter().collect()).await;
    let all = got.map_err(refusal)?.into_iter();
    let data = all.map(|(name, secret)| (name, SecretResponse { secrets: secret.0.into_iter().collect() }));
    Ok(GetBulkSecretResponse { data: data.collect() })
}

/// The row of the catalogue that a failure of the block is.
fn refusal(error: Error) -> ApiError {
    let error = match error {
        Error::NotConfigured => errors::secret_stores_not_configured(),
        Error::NotFound { store } => errors::secret_store_not_found(store),
        Error::PermissionDenied { store, secret } => errors::secret_permission_denied(secret, store),
        Error::Get { store, secret, source } => errors::secret_get(secret, store, source),
        Error::GetAll { store, source } => errors::secret_get_bulk(store, source),
    };
    tracing::debug!(target: "dapr.runtime.grpc.api", "{error}");
    error
}

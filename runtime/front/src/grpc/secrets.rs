//! The secrets API over gRPC. Called by the Dapr service. No secret reaches a log or an error.

use blocks::CallContext;
use blocks::secrets::Error;
use errors::ApiError;
use tonic::Status;
use wire::runtime::{GetBulkSecretRequest, GetBulkSecretResponse, GetSecretRequest, GetSecretResponse, SecretResponse};

use crate::Api;

pub(super) async fn get(api: &Api, request: GetSecretRequest) -> Result<GetSecretResponse, Status> {
    let GetSecretRequest { store_name, key, metadata } = request;
    let metadata = metadata.into_iter().collect();
    let got = api.secrets.get(&CallContext::default(), &store_name, &key, &metadata).await;
    Ok(GetSecretResponse { data: got.map_err(refusal)?.0.into_iter().collect() })
}

pub(super) async fn get_bulk(api: &Api, request: GetBulkSecretRequest) -> Result<GetBulkSecretResponse, Status> {
    let metadata = request.metadata.into_iter().collect();
    let got = api.secrets.get_all(&CallContext::default(), &request.store_name, &metadata).await;
    let secrets = got.map_err(refusal)?.into_iter();
    let data = secrets.map(|(name, secret)| (name, SecretResponse { secrets: secret.0.into_iter().collect() }));
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

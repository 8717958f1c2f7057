//! The Dapr service: each method is a few lines that hand over to an operation. What is not built never reaches this file:
//! the door answers it from the table.

use std::sync::Arc;

use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};
use wire::common::InvokeResponse;
use wire::runtime as v1;

use super::{configuration, conversation, crypto, invoke, lock, publish, secrets, state, subscribe, subtle};
use crate::Api;

/// The operations of the Dapr service.
pub(super) struct Dapr {
    pub(super) api: Arc<Api>,
}

impl Dapr {
    pub(super) fn new(api: Arc<Api>) -> Self {
        Self { api }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::dapr_server::Dapr for Dapr {
    async fn invoke_service(&self, request: Request<v1::InvokeServiceRequest>) -> Answer<InvokeResponse> {
        invoke::invoke_service(&self.api, request).await
    }

    async fn get_state(&self, request: Request<v1::GetStateRequest>) -> Answer<v1::GetStateResponse> {
        state::get(&self.api.state, request).await.map(Response::new)
    }

    async fn get_bulk_state(&self, request: Request<v1::GetBulkStateRequest>) -> Answer<v1::GetBulkStateResponse> {
        state::get_bulk(&self.api.state, request).await.map(Response::new)
    }

    async fn save_state(&self, request: Request<v1::SaveStateRequest>) -> Answer<()> {
        state::save(&self.api.state, request).await.map(Response::new)
    }

    async fn delete_state(&self, request: Request<v1::DeleteStateRequest>) -> Answer<()> {
        state::delete(&self.api.state, request).await.map(Response::new)
    }

    async fn delete_bulk_state(&self, request: Request<v1::DeleteBulkStateRequest>) -> Answer<()> {
        state::delete_bulk(&self.api.state, request).await.map(Response::new)
    }

    async fn execute_state_transaction(&self, request: Request<v1::ExecuteStateTransactionRequest>) -> Answer<()> {
        state::transact(&self.api.state, request).await.map(Response::new)
    }

    async fn query_state_alpha1(&self, request: Request<v1::QueryStateRequest>) -> Answer<v1::QueryStateResponse> {
        state::query(&self.api.state, request).await.map(Response::new)
    }

    async fn publish_event(&self, request: Request<v1::PublishEventRequest>) -> Answer<()> {
        publish::publish(&self.api.pubsub, self.api.invoker.tracing(), request).await.map(Response::new)
    }

    async fn bulk_publish_event_alpha1(
        &self,
        request: Request<v1::BulkPublishRequest>,
    ) -> Answer<v1::BulkPublishResponse> {
        self.bulk_publish_event(request).await
    }

    async fn bulk_publish_event(&self, request: Request<v1::BulkPublishRequest>) -> Answer<v1::BulkPublishResponse> {
        publish::publish_all(&self.api.pubsub, self.api.invoker.tracing(), request).await.map(Response::new)
    }

    async fn subscribe_topic_events_alpha1(
        &self,
        request: Request<Streaming<v1::SubscribeTopicEventsRequestAlpha1>>,
    ) -> Answer<BoxStream<v1::SubscribeTopicEventsResponseAlpha1>> {
        subscribe::topic_events(&self.api, request).await.map(Response::new)
    }

    async fn get_secret(&self, request: Request<v1::GetSecretRequest>) -> Answer<v1::GetSecretResponse> {
        secrets::get(&self.api.secrets, request).await.map(Response::new)
    }

    async fn get_bulk_secret(&self, request: Request<v1::GetBulkSecretRequest>) -> Answer<v1::GetBulkSecretResponse> {
        secrets::get_bulk(&self.api.secrets, request).await.map(Response::new)
    }

    async fn get_configuration_alpha1(
        &self,
        request: Request<v1::GetConfigurationRequest>,
    ) -> Answer<v1::GetConfigurationResponse> {
        self.get_configuration(request).await
    }

    async fn get_configuration(
        &self,
        request: Request<v1::GetConfigurationRequest>,
    ) -> Answer<v1::GetConfigurationResponse> {
        configuration::get(&self.api.configuration, request).await.map(Response::new)
    }

    async fn subscribe_configuration_alpha1(
        &self,
        request: Request<v1::SubscribeConfigurationRequest>,
    ) -> Answer<BoxStream<v1::SubscribeConfigurationResponse>> {
        self.subscribe_configuration(request).await
    }

    async fn subscribe_configuration(
        &self,
        request: Request<v1::SubscribeConfigurationRequest>,
    ) -> Answer<BoxStream<v1::SubscribeConfigurationResponse>> {
        configuration::subscribe(&self.api.configuration, request).await.map(Response::new)
    }

    async fn unsubscribe_configuration_alpha1(
        &self,
        request: Request<v1::UnsubscribeConfigurationRequest>,
    ) -> Answer<v1::UnsubscribeConfigurationResponse> {
        self.unsubscribe_configuration(request).await
    }

    async fn unsubscribe_configuration(
        &self,
        request: Request<v1::UnsubscribeConfigurationRequest>,
    ) -> Answer<v1::UnsubscribeConfigurationResponse> {
        Ok(configuration::unsubscribe(&self.api.configuration, request))
    }

    async fn try_lock_alpha1(&self, request: Request<v1::TryLockRequest>) -> Answer<v1::TryLockResponse> {
        lock::try_lock(&self.api.locks, request).await.map(Response::new)
    }

    async fn unlock_alpha1(&self, request: Request<v1::UnlockRequest>) -> Answer<v1::UnlockResponse> {
        lock::unlock(&self.api.locks, request).await.map(Response::new)
    }

    async fn converse_alpha1(&self, request: Request<v1::ConversationRequest>) -> Answer<v1::ConversationResponse> {
        conversation::alpha1(&self.api, request).await.map(Response::new)
    }

    async fn converse_alpha2(
        &self,
        request: Request<v1::ConversationRequestAlpha2>,
    ) -> Answer<v1::ConversationResponseAlpha2> {
        conversation::alpha2(&self.api, request).await.map(Response::new)
    }

    async fn encrypt_alpha1(
        &self,
        request: Request<Streaming<v1::EncryptRequest>>,
    ) -> Answer<BoxStream<v1::EncryptResponse>> {
        crypto::encrypt(&self.api.crypto, request).await.map(Response::new)
    }

    async fn decrypt_alpha1(
        &self,
        request: Request<Streaming<v1::DecryptRequest>>,
    ) -> Answer<BoxStream<v1::DecryptResponse>> {
        crypto::decrypt(&self.api.crypto, request).await.map(Response::new)
    }

    async fn subtle_get_key_alpha1(
        &self,
        request: Request<v1::SubtleGetKeyRequest>,
    ) -> Answer<v1::SubtleGetKeyResponse> {
        subtle::get_key(&self.api.crypto, request).await.map(Response::new)
    }

    async fn subtle_encrypt_alpha1(
        &self,
        request: Request<v1::SubtleEncryptRequest>,
    ) -> Answer<v1::SubtleEncryptResponse> {
        subtle::encrypt(&self.api.crypto, request).await.map(Response::new)
    }

    async fn subtle_decrypt_alpha1(
        &self,
        request: Request<v1::SubtleDecryptRequest>,
    ) -> Answer<v1::SubtleDecryptResponse> {
        subtle::decrypt(&self.api.crypto, request).await.map(Response::new)
    }

    async fn subtle_wrap_key_alpha1(
        &self,
        request: Request<v1::SubtleWrapKeyRequest>,
    ) -> Answer<v1::SubtleWrapKeyResponse> {
        subtle::wrap_key(&self.api.crypto, request).await.map(Response::new)
    }

    async fn subtle_unwrap_key_alpha1(
        &self,
        request: Request<v1::SubtleUnwrapKeyRequest>,
    ) -> Answer<v1::SubtleUnwrapKeyResponse> {
        subtle::unwrap_key(&self.api.crypto, request).await.map(Response::new)
    }

    async fn subtle_sign_alpha1(&self, request: Request<v1::SubtleSignRequest>) -> Answer<v1::SubtleSignResponse> {
        subtle::sign(&self.api.crypto, request).await.map(Response::new)
    }

    async fn subtle_verify_alpha1(
        &self,
        request: Request<v1::SubtleVerifyRequest>,
    ) -> Answer<v1::SubtleVerifyResponse> {
        subtle::verify(&self.api.crypto, request).await.map(Response::new)
    }

    async fn get_metadata(&self, _: Request<v1::GetMetadataRequest>) -> Answer<v1::GetMetadataResponse> {
        Ok(Response::new(self.api.metadata.get()))
    }

    async fn set_metadata(&self, request: Request<v1::SetMetadataRequest>) -> Answer<()> {
        let v1::SetMetadataRequest { key, value } = request.into_inner();
        self.api.metadata.put(&key, &value).map_err(|error| errors::bad_request(error.to_string()))?;
        Ok(Response::new(()))
    }

    async fn shutdown(&self, request: Request<v1::ShutdownRequest>) -> Answer<()> {
        let force = request.metadata().get("dapr-force-shutdown").is_some_and(|value| value == "true");
        crate::shutdown::request(&self.api, force);
        Ok(Response::new(()))
    }
}

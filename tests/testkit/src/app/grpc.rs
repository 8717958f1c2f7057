//! The gRPC side of an app: `AppCallback`, and the service `testkit.Notes`. Messages of topics are always handled well.

use http::{Request, Response};
use http_body_util::BodyExt as _;
use tonic::codegen::Service as _;
use tonic::{Status, async_trait};
use wire::common::{InvokeRequest, InvokeResponse};
use wire::runtime::app_callback_alpha_server::{AppCallbackAlpha, AppCallbackAlphaServer};
use wire::runtime::app_callback_health_check_server::{AppCallbackHealthCheck, AppCallbackHealthCheckServer};
use wire::runtime::app_callback_server::{AppCallback, AppCallbackServer};
use wire::runtime::{
    ListTopicSubscriptionsResponse, TopicEventBulkRequest, TopicEventBulkResponse, TopicEventBulkResponseEntry,
    TopicEventRequest, TopicEventResponse,
};

use super::{BoxedBody, InvokeHandler};
use crate::notes;

struct Callback {
    on_invoke: Option<InvokeHandler>,
}

#[async_trait]
impl AppCallback for Callback {
    async fn on_invoke(
        &self,
        request: tonic::Request<InvokeRequest>,
    ) -> tonic::Result<tonic::Response<InvokeResponse>> {
        if let Some(handler) = &self.on_invoke {
            return handler(request).await;
        }
        let InvokeRequest { data, content_type, .. } = request.into_inner();
        Ok(tonic::Response::new(InvokeResponse { data, content_type }))
    }

    async fn list_topic_subscriptions(
        &self,
        _: tonic::Request<()>,
    ) -> tonic::Result<tonic::Response<ListTopicSubscriptionsResponse>> {
        Ok(tonic::Response::new(ListTopicSubscriptionsResponse::default()))
    }

    async fn on_topic_event(
        &self,
        _: tonic::Request<TopicEventRequest>,
    ) -> tonic::Result<tonic::Response<TopicEventResponse>> {
        Ok(tonic::Response::new(TopicEventResponse::default()))
    }
}

struct Bulk;

#[async_trait]
impl AppCallbackAlpha for Bulk {
    async fn on_bulk_topic_event_alpha1(
        &self,
        request: tonic::Request<TopicEventBulkRequest>,
    ) -> tonic::Result<tonic::Response<TopicEventBulkResponse>> {
        let handled = |entry_id| TopicEventBulkResponseEntry { entry_id, status: 0 };
        let entries = request.into_inner().entries.into_iter();
        let statuses = entries.map(|entry| handled(entry.entry_id)).collect();
        Ok(tonic::Response::new(TopicEventBulkResponse { statuses }))
    }
}

struct Health;

#[async_trait]
impl AppCallbackHealthCheck for Health {
    async fn health_check(
        &self,
        _request: tonic::Request<()>,
    ) -> tonic::Result<tonic::Response<wire::runtime::HealthCheckResponse>> {
        Ok(tonic::Response::new(wire::runtime::HealthCheckResponse {}))
    }
}

pub(super) async fn answer(request: Request<BoxedBody>, on_invoke: Option<InvokeHandler>) -> Response<BoxedBody> {
    let path = request.uri().path();
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let response = match service {
        "dapr.proto.runtime.v1.AppCallback" => {
            let Ok(response) = AppCallbackServer::new(Callback { on_invoke }).call(request).await;
            response
        }
        "dapr.proto.runtime.v1.AppCallbackAlpha" => {
            let Ok(response) = AppCallbackAlphaServer::new(Bulk).call(request).await;
            response
        }
        "dapr.proto.runtime.v1.AppCallbackHealthCheck" => {
            let Ok(response) = AppCallbackHealthCheckServer::new(Health).call(request).await;
            response
        }
        notes::SERVICE => notes::serve(request).await,
        other => Status::unimplemented(format!("unknown service {other}")).into_http(),
    };
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

//! The gRPC side of an app: `AppCallback`, and the service `testkit.Notes`.

use http::{Request, Response};
use http_body_util::BodyExt as _;
use tonic::codegen::Service as _;
use tonic::{Status, async_trait};
use wire::common::{InvokeRequest, InvokeResponse};
use wire::runtime::app_callback_health_check_server::{AppCallbackHealthCheck, AppCallbackHealthCheckServer};
use wire::runtime::app_callback_server::{AppCallback, AppCallbackServer};

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
        "dapr.proto.runtime.v1.AppCallbackHealthCheck" => {
            let Ok(response) = AppCallbackHealthCheckServer::new(Health).call(request).await;
            response
        }
        notes::SERVICE => notes::serve(request).await,
        other => Status::unimplemented(format!("unknown service {other}")).into_http(),
    };
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

//! The conversation API over gRPC. Called by the Dapr service.

use tonic::{Request, Status};
use wire::runtime::{ConversationRequest, ConversationRequestAlpha2, ConversationResponse, ConversationResponseAlpha2};

use crate::context::Requested;
use crate::{Api, conversation};

pub(super) async fn alpha1(api: &Api, request: Request<ConversationRequest>) -> Result<ConversationResponse, Status> {
    let (context, request) = Requested::grpc(request);
    Ok(conversation::alpha1(api, &context, request).await?)
}

pub(super) async fn alpha2(
    api: &Api,
    request: Request<ConversationRequestAlpha2>,
) -> Result<ConversationResponseAlpha2, Status> {
    let (context, request) = Requested::grpc(request);
    Ok(conversation::alpha2(api, &context, request).await?)
}

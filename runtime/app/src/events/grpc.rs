//! Messages for a gRPC app: `OnTopicEvent`, and `OnBulkTopicEvent` with its older name as the fallback; what the answers
//! mean. Called by the channel. The outcomes are those of the target (`pkg/runtime/subscription/postman/grpc`).

use std::collections::HashMap;
use std::sync::Arc;

use ::http::HeaderMap;
use call::Failure;
use telemetry::SpanContext;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use wire::runtime::topic_event_response::TopicEventResponseStatus as Told;
use wire::runtime::{TopicEventBulkRequest, TopicEventBulkResponse, TopicEventResponse};

use super::{BulkEntry, BulkTopicEvent, Outcome, TopicEvent, envelope, event_id, headers};
use crate::channel::Slot;
use crate::grpc::GrpcChannel;

const ON_TOPIC_EVENT: &str = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent";
const ON_BULK: &str = "/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent";
const ON_BULK_ALPHA: &str = "/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1";

const TARGET: &str = "dapr.runtime.processor.pubsub.subscription.grpc";

impl GrpcChannel {
    /// Sends one message. The slot is given back when the app has answered.
    pub(super) async fn deliver(&self, event: &TopicEvent, trace: Option<SpanContext>, slot: Slot) -> Outcome {
        let id = event_id(&event.cloud_event);
        let message = match envelope::single(event) {
            Ok(message) => message,
            Err(reason) => return refused(&reason),
        };
        let headers = self.event_headers(headers::grpc(&event.pubsub, &event.metadata), trace);
        let answer: Result<TopicEventResponse, Status> = self.unary(ON_TOPIC_EVENT, headers, message).await;
        drop(slot);
        match answer {
            Ok(answer) => judge(&id, answer.status),
            Err(status) => {
                let failure = Failure::from_rpc(&status);
                let code = failure.code.unwrap_or(Code::Unknown);
                if code == Code::Unimplemented {
                    let reason =
                        format!("non-retriable error returned from app while processing pub/sub event {id}: {failure}");
                    tracing::warn!(target: TARGET, "{reason}");
                    return Outcome::Drop(reason);
                }
                let reason = format!(
                    "error returned from app while processing pub/sub event {id}: retriable error occurred: {failure}"
                );
                if is_unanswered(&status) {
                    return Outcome::unanswered(reason);
                }
                tracing::debug!(target: TARGET, "{reason}");
                Outcome::retry_with(reason, code as i32)
            }
        }
    }

    /// Sends many messages. The slot is given back when the app has answered.
    pub(super) async fn deliver_bulk(
        &self,
        event: &BulkTopicEvent,
        trace: Option<SpanContext>,
        slot: Slot,
    ) -> Vec<Outcome> {
        let (request, failed) = envelope::bulk(event);
        let mut outcomes: Vec<Option<Outcome>> = vec![None; event.entries.len()];
        for (at, reason) in failed {
            if let Some(place) = outcomes.get_mut(at) {
                *place = Some(refused(&reason));
            }
        }
        if !request.entries.is_empty() {
            let headers = self.event_headers(headers::grpc(&event.pubsub, &event.metadata), trace);
            let answer = self.bulk(headers, request).await;
            match answer {
                Ok(answer) => judge_bulk(&event.entries, answer, &mut outcomes),
                Err(status) => {
                    let outcome = bulk_failure(&status);
                    for place in outcomes.iter_mut().filter(|place| place.is_none()) {
                        *place = Some(outcome.clone());
                    }
                }
            }
        }
        drop(slot);
        super::complete(&event.entries, outcomes)
    }

    async fn bulk(&self, headers: HeaderMap, request: TopicEventBulkRequest) -> Result<TopicEventBulkResponse, Status> {
        match self.unary(ON_BULK, headers.clone(), request.clone()).await {
            Err(status) if Failure::from_rpc(&status).code == Some(Code::Unimplemented) => {
                tracing::warn!(
                    target: TARGET,
                    "falling back to OnBulkTopicEventAlpha1 due to unimplemented error: {}",
                    Failure::from_rpc(&status)
                );
                self.unary(ON_BULK_ALPHA, headers, request).await
            }
            answer => answer,
        }
    }

    fn event_headers(&self, mut headers: HeaderMap, trace: Option<SpanContext>) -> HeaderMap {
        if let Some(trace) = trace {
            trace.write_grpc(&mut headers);
        }
        self.add_token(&mut headers);
        headers
    }

    /// One call with one answer.
    pub(super) async fn unary<M, A>(&self, path: &'static str, headers: HeaderMap, message: M) -> Result<A, Status>
    where
        M: prost::Message + Default + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        let mut client = self.client();
        client.ready().await.map_err(|error| {
            let mut status = Status::unavailable(error.to_string());
            status.set_source(Arc::new(error));
            status
        })?;
        self.counted(path, request, &mut client).await
    }
}

/// A message that has no form for the app.
pub(super) fn refused(reason: &str) -> Outcome {
    Outcome::retry(format!(
        "error returned from app while processing pub/sub event: retriable error occurred: {reason}"
    ))
}

/// What an app's status means for one message.
pub(super) fn judge(id: &str, status: i32) -> Outcome {
    match Told::try_from(status) {
        Ok(Told::Success) => Outcome::Success,
        Ok(Told::Retry) => Outcome::retry(format!(
            "RETRY status returned from app while processing pub/sub event {id}: retriable error occurred"
        )),
        Ok(Told::Drop) => {
            let reason = format!("DROP status returned from app while processing pub/sub event {id}");
            tracing::warn!(target: TARGET, "{reason}");
            Outcome::Drop(reason)
        }
        Err(_) => Outcome::retry(format!(
            "unknown status returned from app while processing pub/sub event {id}, status: {status}, err: retriable error occurred"
        )),
    }
}

/// Whether a status was made on this side of the connection because none came from the app.
fn is_unanswered(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

fn bulk_failure(status: &Status) -> Outcome {
    let failure = Failure::from_rpc(status);
    let code = failure.code.unwrap_or(Code::Unknown);
    if code == Code::Unimplemented {
        let reason = format!("non-retriable error returned from app while processing bulk pub/sub event: {failure}");
        tracing::warn!(target: TARGET, "{reason}");
        return Outcome::Drop(reason);
    }
    let reason = format!("error returned from app while processing bulk pub/sub event: {failure}");
    if is_unanswered(status) {
        return Outcome::unanswered(reason);
    }
    tracing::debug!(target: TARGET, "{reason}");
    Outcome::retry_with(reason, code as i32)
}

fn judge_bulk(entries: &[BulkEntry], answer: TopicEventBulkResponse, outcomes: &mut [Option<Outcome>]) {
    let places: HashMap<&str, usize> = entries.iter().enumerate().map(|(at, entry)| (entry.id.as_str(), at)).collect();
    for told in answer.statuses {
        let id = told.entry_id;
        let Some(place) = places.get(id.as_str()).and_then(|at| outcomes.get_mut(*at)) else {
            tracing::warn!(target: TARGET, "Invalid entry id received from app while processing pub/sub event {id}");
            continue;
        };
        let outcome = match Told::try_from(told.status) {
            Ok(Told::Success) => Outcome::Success,
            Ok(Told::Retry) => Outcome::retry(format!(
                "RETRY status returned from app while processing pub/sub event for entry id: {id}"
            )),
            Ok(Told::Drop) => {
                let reason = format!("DROP status returned from app while processing pub/sub event for entry id: {id}");
                tracing::warn!(target: TARGET, "{reason}");
                Outcome::Drop(reason)
            }
            Err(_) => Outcome::retry(format!(
                "unknown status returned from app while processing pub/sub event  for entry id {id}: {}",
                told.status
            )),
        };
        super::keep(place, outcome);
    }
}

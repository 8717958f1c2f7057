//! The publishing API over gRPC. Called by the Dapr service. How a failure of the block looks is told here for both doors.

use blocks::pubsub::{Entry, Error, Event, Place, PubSub};
use errors::ApiError;
use telemetry::{SpanContext, Tracing};
use tonic::{Request, Status};
use wire::runtime::{BulkPublishRequest, BulkPublishResponse, PublishEventRequest};

use crate::context::Requested;
use crate::json_fault;

pub(super) async fn publish(
    pubsub: &PubSub,
    tracing: Tracing,
    request: Request<PublishEventRequest>,
) -> Result<(), Status> {
    let span = tracing.next(SpanContext::from_grpc(request.metadata().as_ref()).as_ref());
    let (context, request) = Requested::grpc(request);
    let metadata = request.metadata.into_iter().collect();
    let done = async {
        let topic = pubsub.topic(&request.pubsub_name, &request.topic)?;
        let mut event = Event { data: request.data, content_type: request.data_content_type, metadata };
        if topic.is_raw(&event.metadata)? {
            // Without an event around the data, this is where the trace goes on.
            let state = span.as_ref().and_then(|span| span.state.as_deref()).unwrap_or_default();
            event.metadata.insert("tracestate".to_owned(), state.to_owned());
            let parent = span.as_ref().map(SpanContext::traceparent).unwrap_or_default();
            event.metadata.insert("traceid".to_owned(), parent);
        }
        topic.publish(&context, event, span.as_ref()).await
    };
    done.await.map_err(|error| told(refusal(error)).into())
}

pub(super) async fn publish_all(
    pubsub: &PubSub,
    tracing: Tracing,
    request: Request<BulkPublishRequest>,
) -> Result<BulkPublishResponse, Status> {
    let span = tracing.next(SpanContext::from_grpc(request.metadata().as_ref()).as_ref());
    let (context, request) = Requested::grpc(request);
    let entry = |entry: wire::runtime::BulkPublishRequestEntry| Entry {
        id: entry.entry_id,
        event: Event {
            data: entry.event,
            content_type: entry.content_type,
            metadata: entry.metadata.into_iter().collect(),
        },
    };
    let (entries, metadata) =
        (request.entries.into_iter().map(entry).collect(), request.metadata.into_iter().collect());
    let done = async {
        let topic = pubsub.topic(&request.pubsub_name, &request.topic)?;
        topic.publish_all(&context, (entries, metadata), (tracing, span.as_ref())).await
    };
    // Where some failed, the target answers only that.
    done.await.map_err(|error| told(refusal(error)))?;
    Ok(BulkPublishResponse::default())
}

fn told(error: ApiError) -> ApiError {
    tracing::debug!(target: "dapr.runtime.grpc.api", "{error}");
    error
}

/// The row of the catalogue that a failure of the block is.
pub(crate) fn refusal(error: Error) -> ApiError {
    match error {
        Error::NameEmpty => errors::pubsub_empty(),
        Error::NotFound { pubsub } => errors::pubsub_not_found(pubsub),
        Error::TopicEmpty { pubsub } => errors::pubsub_topic_empty(pubsub),
        Error::RawPayload { pubsub, message } => errors::pubsub_request_metadata(pubsub, message),
        Error::CloudEvent { pubsub, app, data } => errors::pubsub_cloud_event(pubsub, app, no_event(&data)),
        Error::EntryId { place: Place { pubsub, topic }, app } => {
            errors::pubsub_marshal_events(pubsub, topic, app, "entryId is duplicated or not present for entry")
        }
        Error::Forbidden { place: Place { pubsub, topic }, app } => {
            let said = format!("topic {topic} is not allowed for app id {app}");
            errors::pubsub_forbidden(pubsub, topic, app, said)
        }
        Error::Publish { place: Place { pubsub, topic }, source } => {
            errors::pubsub_publish_message(pubsub, topic, source)
        }
        Error::NotTaken { place: Place { pubsub, topic }, failure } => {
            errors::pubsub_publish_message(pubsub, topic, failure.message)
        }
    }
}

/// What is wrong with data that was announced as an event, in Go's words.
fn no_event(data: &[u8]) -> String {
    let end = match json_fault::first_value(data) {
        Ok(end) => end,
        Err(fault) => return fault,
    };
    let kind = match data.get(..end).unwrap_or_default().trim_ascii_start().first() {
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        Some(b'n') => return "a cloud event cannot be null".to_owned(),
        Some(b'{') => return "exceeded max depth".to_owned(),
        _ => "number",
    };
    format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn what_is_no_event_is_told_in_the_words_of_the_target() {
        for (data, said) in [
            ("", "EOF"),
            ("{\"}", "unexpected EOF"),
            ("x", "invalid character 'x' looking for beginning of value"),
            (" [1]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
            ("7", "json: cannot unmarshal number into Go value of type map[string]interface {}"),
        ] {
            assert_eq!(no_event(data.as_bytes()), said, "{data}");
        }
    }

    #[test]
    fn a_topic_the_app_may_not_use_is_permission_denied() {
        let place = Place { pubsub: "p".to_owned(), topic: "t".to_owned() };
        let status = Status::from(refusal(Error::Forbidden { place, app: "a".to_owned() }));
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "topic t is not allowed for app id a"));
    }
}

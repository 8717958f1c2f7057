//! Subscribing by a stream: the app names a topic, gets its messages as events, and tells what it made of each. Called by the
//! Dapr service. When the stream ends, so does the subscription; what was not answered goes back to the broker.
//!
//! Codes and words are the target's (`pkg/api/grpc/subscribe.go`): all its own refusals are `Unknown`.

use std::sync::Arc;

use blocks::subscriptions::{Error, Events, StreamHandle, StreamRecipient};
use resources::{Routes, SubscriptionSpec};
use tokio::sync::oneshot;
use tonic::codegen::BoxStream;
use tonic::{Code, Request, Status, Streaming};
use wire::runtime as v1;
use wire::runtime::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use wire::runtime::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;

use super::stream;
use crate::Api;

type Asks = Streaming<v1::SubscribeTopicEventsRequestAlpha1>;

const TARGET: &str = "dapr.runtime.pubsub.streamer";

/// A stream that starts with a greeting and goes on with events, until the app, the component or the sidecar ends it.
pub(super) async fn topic_events(
    api: &Api,
    request: Request<Asks>,
) -> Result<BoxStream<v1::SubscribeTopicEventsResponseAlpha1>, Status> {
    let mut asks = request.into_inner();
    let first = tokio::select! {
        first = asks.message() => first?,
        () = api.shutdown.requested() => return Err(unknown("api server closed")),
    };
    let spec = wanted(first)?;
    let name = format!("pubsub '{}' topic '{}'", spec.pubsubname, spec.topic);
    let (recipient, events) = StreamRecipient::new();
    let recipient = Arc::new(recipient);
    let pubsub = spec.pubsubname.clone();
    let opened = api.subscriptions.subscribe_stream(spec, Arc::clone(&recipient) as Arc<_>).await;
    let handle = opened.map_err(|error| refusal(&pubsub, error))?;
    tracing::info!(target: TARGET, "Subscribing to {name}");
    let (ending, ended) = oneshot::channel();
    api.tasks.spawn("topic stream", listen(asks, recipient, ending, name));
    let start = Stage::Opened(Open { events, handle, ended });
    Ok(stream::unfold(start, |stage| async move {
        match stage {
            Stage::Opened(open) => {
                let greeting = Told::InitialResponse(v1::SubscribeTopicEventsResponseInitialAlpha1 {});
                Some((Ok(told(greeting)), Stage::Flowing(open)))
            }
            Stage::Flowing(open) => open.next().await,
            Stage::Over => None,
        }
    }))
}

/// Why there is no subscription, in the target's words.
fn refusal(pubsub: &str, error: Error) -> Status {
    match error {
        Error::NotFound { .. } | Error::Closed => error.into(),
        other => unknown(&format!("failed to create subscription for {pubsub}: {other}")),
    }
}

enum Stage {
    Opened(Open),
    Flowing(Open),
    Over,
}

/// A running stream. Dropping it ends the subscription.
struct Open {
    events: Events,
    handle: StreamHandle,
    ended: oneshot::Receiver<Status>,
}

impl Open {
    async fn next(mut self) -> Option<(Result<v1::SubscribeTopicEventsResponseAlpha1, Status>, Stage)> {
        let end = tokio::select! {
            biased;
            end = &mut self.ended => end.unwrap_or_else(|_| unknown("stream closed")),
            () = self.handle.ended() => unknown("stream closed"),
            event = self.events.recv() => match event {
                Some(event) => return Some((Ok(told(Told::EventMessage(event))), Stage::Flowing(self))),
                None => unknown("stream closed"),
            },
        };
        Some((Err(end), Stage::Over))
    }
}

/// The subscription that the first message asks for.
fn wanted(first: Option<v1::SubscribeTopicEventsRequestAlpha1>) -> Result<SubscriptionSpec, Status> {
    let first = first.ok_or_else(|| unknown("EOF"))?;
    let Some(Asked::InitialRequest(initial)) = first.subscribe_topic_events_request_type else {
        return Err(unknown("initial request is required"));
    };
    if initial.pubsub_name.is_empty() {
        return Err(unknown("pubsubName is required"));
    }
    if initial.topic.is_empty() {
        return Err(unknown("topic is required"));
    }
    Ok(SubscriptionSpec {
        pubsubname: initial.pubsub_name,
        topic: initial.topic,
        metadata: initial.metadata.into_iter().collect(),
        dead_letter_topic: initial.dead_letter_topic.unwrap_or_default(),
        routes: Routes { rules: Vec::new(), default: "/".to_owned() },
        ..SubscriptionSpec::default()
    })
}

/// Reads what the app made of its messages, until one side is through; tells the other side why.
async fn listen(mut asks: Asks, recipient: Arc<StreamRecipient>, mut ending: oneshot::Sender<Status>, name: String) {
    let end = loop {
        let ask = tokio::select! {
            () = ending.closed() => return,
            ask = asks.message() => ask,
        };
        match ask {
            Ok(Some(ask)) => match ask.subscribe_topic_events_request_type {
                Some(Asked::EventProcessed(processed)) => {
                    let status = processed.status.unwrap_or_default().status;
                    if !recipient.processed(&processed.id, status) {
                        tracing::error!(
                            target: TARGET,
                            "no client stream expecting publish response for id {}", processed.id
                        );
                    }
                }
                _ => break unknown("duplicate initial request received"),
            },
            Ok(None) => {
                tracing::info!(target: TARGET, "Unsubscribed from {name}");
                break unknown("EOF");
            }
            Err(status) => {
                if status.code() == Code::Cancelled {
                    tracing::info!(target: TARGET, "Unsubscribed from {name}");
                } else {
                    tracing::error!(target: TARGET, "Error receiving message from client stream: {}", status.message());
                }
                break status;
            }
        }
    };
    // The other side may have ended by itself.
    let _ = ending.send(end);
}

fn told(what: Told) -> v1::SubscribeTopicEventsResponseAlpha1 {
    v1::SubscribeTopicEventsResponseAlpha1 { subscribe_topic_events_response_type: Some(what) }
}

fn unknown(words: &str) -> Status {
    Status::unknown(words)
}

//! Between the messages of the protocol about topics and the broker. Used by `stub`. Decides nothing but what is malformed.

use std::sync::Arc;
use std::time::Duration;

use ::topics::{
    Broker, Consumer, Error, GroupOptions, Message, Outgoing, Settlement, TopicName, TopicStatus, When, Window,
};
use ledger::Moment;
use service::{Shutdown, Tasks};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Status, Streaming};
use wire::hub::{
    self, Attach, Attached, ConsumeRequest, ConsumeResponse, PublishRequest, TopicDelivery, TopicGroup, TopicMessage,
    consume_request, consume_response, publication,
};

use crate::convert;

/// What the client is told of a failure.
pub(crate) fn status(error: &Error) -> Status {
    match error {
        Error::Invalid(reason) => Status::invalid_argument(reason),
        Error::Full(reason) => Status::resource_exhausted(reason),
        Error::Ledger(error) => convert::status(error),
        Error::Closed => Status::unavailable(error.to_string()),
    }
}

fn missing(what: &str) -> Status {
    Status::invalid_argument(format!("the request has no {what}"))
}

fn name(database: String, topic: String) -> Result<TopicName, Status> {
    hubclient::layout::check_database(&database).map_err(Status::invalid_argument)?;
    Ok(TopicName { database, topic })
}

fn message(message: TopicMessage) -> Message {
    Message {
        data: message.data,
        content_type: message.content_type,
        metadata: message.metadata.into_iter().collect(),
        ordering_key: message.ordering_key,
        life: message.life.map(Duration::from_millis),
    }
}

fn publication(given: hub::Publication) -> Result<::topics::Publication, Status> {
    let when = match given.when {
        None => When::Now,
        Some(publication::When::Delay(wait)) => When::After(Duration::from_millis(wait)),
        Some(publication::When::DeliverAt(moment)) => When::At(Moment(moment)),
    };
    Ok(::topics::Publication { message: message(given.message.ok_or_else(|| missing("message"))?), when })
}

/// Publishes all messages of a request.
pub(crate) async fn publish(broker: &Broker, request: PublishRequest) -> Result<(), Status> {
    let name = name(request.database, request.topic)?;
    let publications = request.publications.into_iter().map(publication).collect::<Result<Vec<_>, _>>()?;
    broker.publish(&name, publications).await.map_err(|error| status(&error))
}

fn attach(attach: Attach) -> Result<::topics::Attach, Status> {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(::topics::Attach {
        name: name(attach.database, attach.topic)?,
        group: attach.group,
        options: GroupOptions {
            retention: Duration::from_millis(attach.retention),
            bytes: attach.topic_bytes,
            first_wait: Duration::from_millis(attach.first_wait),
            longest_wait: Duration::from_millis(attach.longest_wait),
        },
        window: Window { messages: size(attach.messages), bytes: size(attach.bytes) },
    })
}

/// Serves one consumer for as long as its call lasts.
pub(crate) async fn consume(
    broker: &Arc<Broker>,
    mut requests: Streaming<ConsumeRequest>,
    shutdown: Shutdown,
    tasks: &Tasks,
) -> Result<BoxStream<ConsumeResponse>, Status> {
    let first = requests.message().await?.and_then(|request| request.request);
    let Some(consume_request::Request::Attach(asked)) = first else { return Err(missing("attach")) };
    let subscription = broker.subscribe(attach(asked)?).await.map_err(|error| status(&error))?;
    let consumer = subscription.consumer;
    tasks.spawn("consumer", async move {
        tokio::select! {
            () = shutdown.requested() => {}
            () = follow(&consumer, requests) => {}
        }
        consumer.leave().await;
    });
    let attached = consume_response::Response::Attached(Attached {});
    let outgoing = ReceiverStream::new(subscription.outgoing).map(outgoing);
    let responses = tokio_stream::once(attached).chain(outgoing);
    Ok(Box::pin(responses.map(|response| Ok(ConsumeResponse { response: Some(response) }))))
}

/// Does what a consumer says, until it has gone.
async fn follow(consumer: &Consumer, mut requests: Streaming<ConsumeRequest>) {
    // A client that was killed and one that is done are the same: what it holds goes to others.
    while let Ok(Some(request)) = requests.message().await {
        match request.request {
            Some(consume_request::Request::Settlements(settlements)) => {
                let settled = settlements.settled.into_iter().map(|settled| {
                    let settlement = match settled.settlement() {
                        hub::Settlement::Done => Settlement::Done,
                        hub::Settlement::Retry => Settlement::Retry,
                        hub::Settlement::Release => Settlement::Release,
                    };
                    (settled.tag, settlement)
                });
                consumer.settle(settled.collect()).await;
            }
            Some(consume_request::Request::Pause(_)) => consumer.pause().await,
            // One call is one consumer; something that only a newer client would say is no reason to end it.
            Some(consume_request::Request::Attach(_)) | None => {}
        }
    }
}

fn outgoing(outgoing: Outgoing) -> consume_response::Response {
    match outgoing {
        Outgoing::Settled(tag) => consume_response::Response::Settled(tag),
        Outgoing::Message { tag, failures, message } => {
            let message = TopicMessage {
                data: message.data,
                content_type: message.content_type,
                metadata: message.metadata.into_iter().collect(),
                ordering_key: message.ordering_key,
                life: message.life.map(|life| u64::try_from(life.as_millis()).unwrap_or(u64::MAX)),
            };
            consume_response::Response::Delivery(TopicDelivery { tag, failures, message: Some(message) })
        }
    }
}

/// A topic as it is listed.
pub(crate) fn listed((name, status): (TopicName, TopicStatus)) -> hub::Topic {
    let group = |(group, status): (String, ::topics::GroupStatus)| {
        let ::topics::GroupStatus { waiting, held, consumers } = status;
        TopicGroup { group, waiting, held, consumers }
    };
    hub::Topic {
        database: name.database,
        topic: name.topic,
        messages: status.messages,
        delayed: status.delayed,
        bytes: status.bytes,
        groups: status.groups.into_iter().map(group).collect(),
    }
}

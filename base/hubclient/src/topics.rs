//! The calls of the hub about topics: publish, consume, list. Used by `pubsub.embedded` and by the command line.

use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wire::hub::hub_client::HubClient;
use wire::hub::{
    Attach, ConsumeRequest, ConsumeResponse, ListTopicsRequest, PublishRequest, SettledMessage, Settlements, Topic,
    consume_request, consume_response,
};

use crate::connection;
use crate::{Client, Error, TOPICS_PROTOCOL};

/// Requests of a consumer that may wait for the hub.
const WAITING: usize = 64;

impl Client {
    /// Publishes messages to a topic, all or none; the answer means that they are on the disk.
    ///
    /// # Errors
    /// [`Error`]; after [`Error::Broken`] they may have been published.
    pub async fn publish(&self, request: PublishRequest) -> Result<(), Error> {
        self.require(TOPICS_PROTOCOL, "topics").await?;
        let call = |mut hub: HubClient<connection::Sender>| {
            let request = request.clone();
            async move { hub.publish(request).await }
        };
        self.call(false, call).await.map(drop)
    }

    /// Becomes a consumer of a topic, as long as what is returned is kept.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn consume(&self, attach: Attach) -> Result<Consuming, Error> {
        self.require(TOPICS_PROTOCOL, "topics").await?;
        let call = |mut hub: HubClient<connection::Sender>| {
            let (requests, waiting) = mpsc::channel(WAITING);
            let first = ConsumeRequest { request: Some(consume_request::Request::Attach(attach.clone())) };
            // The channel is empty.
            let _ = requests.try_send(first);
            async move {
                let answer = hub.consume(ReceiverStream::new(waiting)).await?;
                Ok(answer.map(|responses| Consuming { requests, responses }))
            }
        };
        let mut consuming = self.call(true, call).await?;
        match consuming.next().await? {
            Some(consume_response::Response::Attached(_)) => Ok(consuming),
            _ => Err(Error::Broken("the hub did not say that the consumer is attached".to_owned())),
        }
    }

    /// All topics of the hub.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn topics(&self) -> Result<Vec<Topic>, Error> {
        self.require(TOPICS_PROTOCOL, "topics").await?;
        let call = |mut hub: HubClient<connection::Sender>| async move { hub.list_topics(ListTopicsRequest {}).await };
        self.call(true, call).await.map(|answer| answer.topics)
    }
}

/// A consumer of a topic. What it holds when this is dropped is delivered again.
pub struct Consuming {
    requests: Sender<ConsumeRequest>,
    responses: Streaming<ConsumeResponse>,
}

impl Consuming {
    /// What the hub says next; `None` at the end of the connection. May be dropped and called again.
    ///
    /// # Errors
    /// [`Error::Broken`], and [`Error::Failed`] when the hub cannot go on.
    pub async fn next(&mut self) -> Result<Option<consume_response::Response>, Error> {
        loop {
            match self.responses.message().await.map_err(|status| Error::of_status(&status))? {
                None => return Ok(None),
                Some(ConsumeResponse { response: Some(response) }) => return Ok(Some(response)),
                // Something that only a newer hub would say.
                Some(ConsumeResponse { response: None }) => {}
            }
        }
    }

    /// Settles messages; each is confirmed among what the hub says.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub async fn settle(&self, settled: Vec<SettledMessage>) -> Result<(), Error> {
        self.say(consume_request::Request::Settlements(Settlements { settled })).await
    }

    /// Gets nothing more, and keeps what it holds.
    ///
    /// # Errors
    /// [`Error::Broken`].
    pub async fn pause(&self) -> Result<(), Error> {
        self.say(consume_request::Request::Pause(wire::hub::Pause {})).await
    }

    async fn say(&self, request: consume_request::Request) -> Result<(), Error> {
        let sent = self.requests.send(ConsumeRequest { request: Some(request) }).await;
        sent.map_err(|_| Error::Broken("the call has ended".to_owned()))
    }
}

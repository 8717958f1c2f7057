//! The service `trilby.hub.v1.Hub`: each call becomes one of the ledger. Here and nowhere else an answer gets its gRPC status.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use ::topics::Broker;
use hubclient::{NEWEST_PROTOCOL, OLDEST_PROTOCOL, agree};
use ledger::{Error, Ledger, Watch};
use service::release::OWN_VERSION;
use service::{Shutdown, Tasks};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};
use wire::hub::hub_server::Hub;
use wire::hub::{
    AttendRequest, AttendResponse, Client, ConsumeRequest, ConsumeResponse, GrantLeaseRequest, HelloRequest,
    HelloResponse, Lease, ListTopicsRequest, ListTopicsResponse, PublishRequest, PublishResponse, ReadRequest,
    ReadResponse, RenewLeaseRequest, RevokeLeaseRequest, RevokeLeaseResponse, StatusRequest, StatusResponse,
    StopRequest, StopResponse, TransactRequest, TransactResponse, WatchRequest, WatchResponse,
};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::convert;
use crate::options::Place;
use crate::topics as convert_topics;

const TARGET: &str = "dapr.hub";
/// Answers of a stream that may wait for the client.
const WAITING: usize = 4;

/// What the service is made of.
pub(crate) struct Parts {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) clients: Clients,
    pub(crate) clock: Clock,
    pub(crate) place: Place,
    pub(crate) started: u64,
    pub(crate) shutdown: Shutdown,
    pub(crate) tasks: Tasks,
}

/// The service. A clone is the same.
#[derive(Clone)]
pub(crate) struct Stub(pub(crate) Arc<Parts>);

type Answer<T> = Result<Response<T>, Status>;

fn answered<T>(result: Result<T, Error>) -> Result<T, Status> {
    result.map_err(|error| convert::status(&error))
}

#[tonic::async_trait]
impl Hub for Stub {
    async fn hello(&self, request: Request<HelloRequest>) -> Answer<HelloResponse> {
        let asked = request.into_inner();
        let ours = (OLDEST_PROTOCOL, NEWEST_PROTOCOL);
        let agreed = agree(ours, (asked.oldest_protocol, asked.newest_protocol));
        if agreed.is_none() {
            let (oldest, newest) = (asked.oldest_protocol, asked.newest_protocol);
            tracing::warn!(target: TARGET, "A client of version {} speaks protocol {oldest} to {newest}, this hub {} to {}", asked.version, ours.0, ours.1);
        }
        Ok(Response::new(HelloResponse {
            protocol: agreed.unwrap_or_default(),
            oldest_protocol: ours.0,
            newest_protocol: ours.1,
            version: OWN_VERSION.to_owned(),
            pid: std::process::id(),
        }))
    }

    async fn attend(&self, request: Request<AttendRequest>) -> Answer<BoxStream<AttendResponse>> {
        let AttendRequest { name, pid } = request.into_inner();
        let present = self.0.clients.add(Client { name, pid });
        let (sender, receiver) = mpsc::channel(1);
        let shutdown = self.0.shutdown.clone();
        self.0.tasks.spawn("client", async move {
            tokio::select! {
                () = sender.closed() => {}
                () = shutdown.requested() => drop(sender.try_send(Ok(AttendResponse { stopping: true }))),
            }
            drop(present);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn read(&self, request: Request<ReadRequest>) -> Answer<ReadResponse> {
        let mut answers = Vec::new();
        for range in request.into_inner().ranges {
            let request = convert::range(range)?;
            let answer = self.0.ledger.range(request, self.0.clock.now()).await;
            answers.push(convert::range_answer(answered(answer)?));
        }
        Ok(Response::new(ReadResponse { answers }))
    }

    async fn transact(&self, request: Request<TransactRequest>) -> Answer<TransactResponse> {
        let transactions = request.into_inner().transactions.into_iter().map(convert::txn);
        let transactions = transactions.collect::<Result<Vec<_>, _>>()?;
        let now = self.0.clock.now();
        let ledger = Arc::clone(&self.0.ledger);
        // Beside this call, because a client that goes away must not leave a part of its transactions undone.
        let done = self.0.tasks.spawn("transactions", async move {
            let pending = transactions.into_iter().map(|txn| ledger.txn(txn, now)).collect();
            in_order(pending).await.into_iter().map(convert::txn_answer).collect::<Result<Vec<_>, _>>()
        });
        let answers =
            done.await.map_err(|_| Status::internal("a transaction failed badly; see the log of the hub"))??;
        Ok(Response::new(TransactResponse { answers }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<BoxStream<WatchResponse>> {
        let WatchRequest { keys, from } = request.into_inner();
        let keys = convert::keys(keys)?;
        let known = answered(self.0.ledger.status().await)?.revision;
        let from = if from == 0 { known + 1 } else { from };
        let watch = answered(self.0.ledger.watch(keys, Some(from)).await)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let first = WatchResponse { revision: from.saturating_sub(1), events: Vec::new() };
        drop(sender.try_send(Ok(first)));
        self.0.tasks.spawn("watch", follow(watch, sender, self.0.shutdown.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn grant_lease(&self, request: Request<GrantLeaseRequest>) -> Answer<Lease> {
        let life = std::time::Duration::from_millis(request.into_inner().life);
        let lease = self.0.ledger.grant(life, self.0.clock.now()).await;
        answered(lease).map(convert::lease).map(Response::new)
    }

    async fn renew_lease(&self, request: Request<RenewLeaseRequest>) -> Answer<Lease> {
        let lease = self.0.ledger.keep_alive(request.into_inner().lease, self.0.clock.now()).await;
        answered(lease).map(convert::lease).map(Response::new)
    }

    async fn revoke_lease(&self, request: Request<RevokeLeaseRequest>) -> Answer<RevokeLeaseResponse> {
        let revoked = self.0.ledger.revoke(request.into_inner().lease, self.0.clock.now()).await;
        answered(revoked).map(|()| Response::new(RevokeLeaseResponse {}))
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Answer<PublishResponse> {
        // Whoever goes away has handed the messages over all the same: the topic takes a request as a whole.
        convert_topics::publish(&self.0.broker, request.into_inner()).await?;
        Ok(Response::new(PublishResponse {}))
    }

    async fn consume(&self, request: Request<Streaming<ConsumeRequest>>) -> Answer<BoxStream<ConsumeResponse>> {
        let (broker, shutdown) = (&self.0.broker, self.0.shutdown.clone());
        let responses = convert_topics::consume(broker, request.into_inner(), shutdown, &self.0.tasks).await?;
        Ok(Response::new(responses))
    }

    async fn list_topics(&self, _: Request<ListTopicsRequest>) -> Answer<ListTopicsResponse> {
        let topics = self.0.broker.list().await.map_err(|error| convert_topics::status(&error))?;
        Ok(Response::new(ListTopicsResponse { topics: topics.into_iter().map(convert_topics::listed).collect() }))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusResponse> {
        let (status, failure) = match self.0.ledger.status().await {
            Ok(status) => (status, String::new()),
            Err(error) => (ledger::Status::default(), error.to_string()),
        };
        Ok(Response::new(StatusResponse {
            pid: std::process::id(),
            version: OWN_VERSION.to_owned(),
            protocol: NEWEST_PROTOCOL,
            socket: self.0.place.socket.display().to_string(),
            data_folder: self.0.place.data.display().to_string(),
            clients: self.0.clients.all(),
            keys: status.keys,
            bytes: status.bytes,
            revision: status.revision,
            started: self.0.started,
            failure,
        }))
    }

    async fn stop(&self, _: Request<StopRequest>) -> Answer<StopResponse> {
        tracing::info!(target: TARGET, "A client asked for the end of this hub");
        self.0.shutdown.request();
        Ok(Response::new(StopResponse {}))
    }
}

/// Passes changes on until the client has gone, the hub stops, or the changes end.
async fn follow(mut watch: Box<dyn Watch>, sender: mpsc::Sender<Result<WatchResponse, Status>>, shutdown: Shutdown) {
    loop {
        let next = tokio::select! {
            () = sender.closed() => return,
            () = shutdown.requested() => return,
            next = watch.next() => next,
        };
        let is_last = next.is_err();
        let message = next.map_err(|error| convert::status(&error)).map(|events| WatchResponse {
            revision: events.revision,
            events: events.events.into_iter().map(convert::event).collect(),
        });
        let sent = tokio::select! {
            () = shutdown.requested() => return,
            sent = sender.send(message) => sent,
        };
        if is_last || sent.is_err() {
            return;
        }
    }
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Waits for all. Each is polled for the first time in its order, so that writes queue up in it, and share a sync.
async fn in_order<T>(pending: Vec<Pending<'_, T>>) -> Vec<T> {
    let mut pending: Vec<(Option<Pending<'_, T>>, Option<T>)> =
        pending.into_iter().map(|future| (Some(future), None)).collect();
    std::future::poll_fn(move |context| {
        let mut all = true;
        for (future, done) in &mut pending {
            if let Some(running) = future {
                match running.as_mut().poll(context) {
                    Poll::Ready(value) => (*future, *done) = (None, Some(value)),
                    Poll::Pending => all = false,
                }
            }
        }
        if all { Poll::Ready(pending.iter_mut().filter_map(|(_, done)| done.take()).collect()) } else { Poll::Pending }
    })
    .await
}

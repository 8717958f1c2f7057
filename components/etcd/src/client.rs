//! Calls to etcd over one connection, which goes to another member when it breaks. A read is tried on the other members; a
//! write only while it provably was not sent. Connections are made when they are needed, so that a store can be made
//! while etcd is away, as with the target.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use component::{Error, Tasks};
use http::uri::PathAndQuery;
use prost::Message;
use rustls::ClientConfig;
use tokio::sync::Mutex;
use tonic::client::Grpc;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::channel::Channel;
use crate::endpoints::Endpoint;
use crate::failure::{failure, late, may_pass, unreachable};
use crate::messages::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest, LeaseRevokeResponse, RangeRequest, RangeResponse,
    TxnRequest, TxnResponse,
};

/// How long one call may take, the target's value.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long connecting to one member may take.
const DIAL: Duration = Duration::from_secs(2);
/// How big an answer may be.
const MAX_ANSWER: usize = 256 << 20;

/// A client of one cluster.
pub(crate) struct Client {
    endpoints: Vec<Endpoint>,
    tls: Option<Arc<ClientConfig>>,
    tasks: Tasks,
    current: Mutex<Option<Channel>>,
    /// Which member is asked next.
    next: AtomicUsize,
}

/// Why a call has no answer.
enum Missed {
    NotSent(String),
    Answered(Status),
}

impl Client {
    /// A client that is not connected yet. There must be an endpoint.
    pub(crate) fn new(endpoints: Vec<Endpoint>, tls: Option<Arc<ClientConfig>>, tasks: Tasks) -> Self {
        Self { endpoints, tls, tasks, current: Mutex::default(), next: AtomicUsize::default() }
    }

    pub(crate) async fn range(&self, request: &RangeRequest, doing: &str) -> Result<RangeResponse, Error> {
        self.read("/etcdserverpb.KV/Range", request, doing).await
    }

    /// Does a transaction that only reads.
    pub(crate) async fn ranges(&self, request: &TxnRequest, doing: &str) -> Result<TxnResponse, Error> {
        self.read("/etcdserverpb.KV/Txn", request, doing).await
    }

    /// Does a transaction that changes something.
    pub(crate) async fn transact(&self, request: &TxnRequest, doing: &str) -> Result<TxnResponse, Error> {
        self.write("/etcdserverpb.KV/Txn", request, doing).await
    }

    /// A new lease of this many seconds.
    pub(crate) async fn grant(&self, seconds: i64, doing: &str) -> Result<i64, Error> {
        let request = LeaseGrantRequest { ttl: seconds };
        let granted: LeaseGrantResponse = self.write("/etcdserverpb.Lease/LeaseGrant", &request, doing).await?;
        match granted.error.as_str() {
            "" => Ok(granted.id),
            error => Err(Error::new(component::ErrorKind::Internal, format!("{doing}: {error}"))),
        }
    }

    /// Ends a lease that is of no use; should that fail, it ends by itself.
    pub(crate) async fn revoke(&self, id: i64) {
        let revoked: Result<LeaseRevokeResponse, _> =
            self.write("/etcdserverpb.Lease/LeaseRevoke", &LeaseRevokeRequest { id }, "revoke").await;
        if let Err(error) = revoked {
            tracing::debug!(target: "dapr.contrib", "a lease of etcd is left to end by itself: {error}");
        }
    }

    /// Closes the connection when its last call ends.
    pub(crate) async fn close(&self) {
        *self.current.lock().await = None;
    }

    async fn read<Q, A>(&self, method: &'static str, request: &Q, doing: &str) -> Result<A, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let members = self.endpoints.len();
        let work = async {
            let mut tried = 0;
            loop {
                tried += 1;
                match self.send(method, request).await {
                    Ok(answer) => return Ok(answer),
                    Err(Missed::NotSent(reason)) => return Err(unreachable(&reason)),
                    Err(Missed::Answered(status)) if tried <= members && may_pass(&status) => {}
                    Err(Missed::Answered(status)) => return Err(failure(doing, &status, request.encoded_len())),
                }
            }
        };
        self.in_time(work, doing).await
    }

    async fn write<Q, A>(&self, method: &'static str, request: &Q, doing: &str) -> Result<A, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let work = async {
            self.send(method, request).await.map_err(|missed| match missed {
                Missed::NotSent(reason) => unreachable(&reason),
                Missed::Answered(status) => failure(doing, &status, request.encoded_len()),
            })
        };
        self.in_time(work, doing).await
    }

    /// A connection on which a call takes too long is not used for the next one: the network behind it may be cut.
    async fn in_time<A>(&self, work: impl Future<Output = Result<A, Error>>, doing: &str) -> Result<A, Error> {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // Where somebody holds the lock, a new connection is being made already.
                if let Ok(mut current) = self.current.try_lock() {
                    *current = None;
                    self.next.fetch_add(1, Ordering::Relaxed);
                }
                Err(late(doing, PATIENCE))
            }
        }
    }

    async fn send<Q, A>(&self, method: &'static str, request: &Q) -> Result<A, Missed>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let channel = self.connected().await?;
        let origin = channel.origin.clone();
        let mut grpc = Grpc::with_origin(channel.clone(), origin).max_decoding_message_size(MAX_ANSWER);
        grpc.ready().await.map_err(|error| Missed::NotSent(error.to_string()))?;
        let path = PathAndQuery::from_static(method);
        let sent = grpc.unary(Request::new(request.clone()), path, ProstCodec::<Q, A>::default()).await;
        match sent {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => {
                if may_pass(&status) {
                    self.turn_away(&channel).await;
                }
                Err(Missed::Answered(status))
            }
        }
    }

    /// The connection of the moment, or a new one to the first member that takes it.
    async fn connected(&self) -> Result<Channel, Missed> {
        let mut current = self.current.lock().await;
        if let Some(channel) = current.as_mut()
            && !channel.is_closed()
            && channel.ready().await
        {
            return Ok(channel.clone());
        }
        *current = None;
        let mut reason = String::new();
        for _ in 0..self.endpoints.len() {
            let index = self.next.load(Ordering::Relaxed) % self.endpoints.len().max(1);
            let Some(endpoint) = self.endpoints.get(index) else { break };
            let opening = Channel::open(endpoint, self.tls.clone(), &self.tasks);
            let failed = match tokio::time::timeout(DIAL, opening).await {
                Ok(Ok(channel)) => {
                    *current = Some(channel.clone());
                    return Ok(channel);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            reason = format!("{}:{}: {failed}", endpoint.host, endpoint.port);
            self.next.fetch_add(1, Ordering::Relaxed);
        }
        Err(Missed::NotSent(reason))
    }

    /// Gives the connection up, unless it was replaced already, and asks another member next.
    async fn turn_away(&self, used: &Channel) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|current| current.is_same(used)) {
            *current = None;
            self.next.fetch_add(1, Ordering::Relaxed);
        }
    }
}

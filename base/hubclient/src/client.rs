//! The client of the hub: its calls, over a connection that is made when it is needed and made again when it broke. Waits are
//! capped and jittered; a call waits only as long as its owner's patience.

use std::error::Error as _;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tonic::{Response, Status, Streaming};
use wire::hub::hub_client::HubClient;
use wire::hub::{
    GrantLeaseRequest, Keys, Lease, Range, RangeAnswer, ReadRequest, RenewLeaseRequest, RevokeLeaseRequest,
    StatusRequest, StatusResponse, StopRequest, TransactRequest, Transaction, TransactionAnswer, WatchRequest,
    WatchResponse,
};

use crate::connection::{Connection, Sender, Unanswered};
use crate::{Error, Spawner};

/// The first wait between two tries to connect, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How a client works.
#[derive(Clone)]
pub struct Options {
    /// Where the hub may be, the likeliest first.
    pub sockets: Vec<PathBuf>,
    /// What the hub's status calls this client; `None`: it is not counted as one.
    pub name: Option<String>,
    /// How long a call waits for a hub that is not there.
    pub patience: Duration,
    /// Where tasks run.
    pub spawner: Spawner,
}

/// A client of the hub. A clone is the same client.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    connection: Mutex<Option<Connection>>,
    /// True, or gone, when the client was closed: what runs for it ends.
    closed: watch::Sender<bool>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Client {
    /// A client that is not connected yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let closed = watch::Sender::new(false);
        Self { inner: Arc::new(Inner { options, connection: Mutex::new(None), closed }) }
    }

    /// Reads keys, one answer for each request.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn read(&self, ranges: Vec<Range>) -> Result<Vec<RangeAnswer>, Error> {
        let request = ReadRequest { ranges };
        let call = |mut hub: HubClient<Sender>| {
            let request = request.clone();
            async move { hub.read(request).await }
        };
        self.call(true, call).await.map(|answer| answer.answers)
    }

    /// Does transactions in their order, each for itself; one answer for each.
    ///
    /// # Errors
    /// [`Error`]; after [`Error::Broken`] any of them may have been done.
    pub async fn transact(&self, transactions: Vec<Transaction>) -> Result<Vec<TransactionAnswer>, Error> {
        let request = TransactRequest { transactions };
        let call = |mut hub: HubClient<Sender>| {
            let request = request.clone();
            async move { hub.transact(request).await }
        };
        self.call(false, call).await.map(|answer| answer.answers)
    }

    /// Follows changes of keys from a revision on, or from now on. Ends with the connection.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when changes from there on are no longer known.
    pub async fn watch(&self, keys: Keys, from: Option<u64>) -> Result<Watching, Error> {
        let request = WatchRequest { keys: Some(keys), from: from.unwrap_or_default() };
        let call = |mut hub: HubClient<Sender>| {
            let request = request.clone();
            async move { hub.watch(request).await }
        };
        Ok(Watching { messages: self.call(true, call).await? })
    }

    /// Makes a lease.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn grant_lease(&self, life: Duration) -> Result<Lease, Error> {
        let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        self.call(false, |mut hub| async move { hub.grant_lease(GrantLeaseRequest { life }).await }).await
    }

    /// Renews a lease.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has ended.
    pub async fn renew_lease(&self, lease: u64) -> Result<Lease, Error> {
        self.call(true, |mut hub| async move { hub.renew_lease(RenewLeaseRequest { lease }).await }).await
    }

    /// Ends a lease and its keys.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_lease(&self, lease: u64) -> Result<(), Error> {
        let call = |mut hub: HubClient<Sender>| async move { hub.revoke_lease(RevokeLeaseRequest { lease }).await };
        self.call(false, call).await.map(drop)
    }

    /// What the hub knows of itself.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn status(&self) -> Result<StatusResponse, Error> {
        self.call(true, |mut hub| async move { hub.status(StatusRequest {}).await }).await
    }

    /// Ends the hub.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn stop(&self) -> Result<(), Error> {
        self.call(false, |mut hub| async move { hub.stop(StopRequest {}).await }).await.map(drop)
    }

    /// Connects if need be.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub async fn connect(&self) -> Result<(), Error> {
        self.connection(Instant::now() + self.inner.options.patience).await.map(drop)
    }

    /// Ends the connection and what runs for it; later calls fail.
    pub async fn close(&self) {
        self.inner.closed.send_replace(true);
        *self.inner.connection.lock().await = None;
    }

    /// Completes at the end of the connection: true if the hub was told to end, false if it was lost.
    ///
    /// # Errors
    /// When there is no connection, and none can be made.
    pub async fn disconnected(&self) -> Result<bool, Error> {
        let connection = self.connection(Instant::now() + self.inner.options.patience).await?;
        Ok(connection.ended(self.inner.options.name.as_deref().unwrap_or("watching")).await)
    }

    pub(crate) async fn call<T, F: Future<Output = Answer<T>>>(
        &self,
        may_repeat: bool,
        make: impl Fn(HubClient<Sender>) -> F,
    ) -> Result<T, Error> {
        let until = Instant::now() + self.inner.options.patience;
        loop {
            let connection = self.connection(until).await?;
            let status = match make(connection.stub()).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            let lost = status.source().and_then(|source| source.downcast_ref::<Unanswered>());
            let error = match lost {
                Some(lost) if lost.was_not_sent => Error::Unreachable(lost.to_string()),
                Some(lost) => Error::Broken(lost.to_string()),
                None => Error::of_status(&status),
            };
            let repeat = error.was_not_sent() || (may_repeat && matches!(error, Error::Broken(_)));
            if !repeat || Instant::now() >= until {
                return Err(error);
            }
            self.forget_broken().await;
        }
    }

    /// Refuses a hub that speaks no version from this one on; `what` it does not have then.
    pub(crate) async fn require(&self, protocol: u32, what: &str) -> Result<(), Error> {
        let connection = self.connection(Instant::now() + self.inner.options.patience).await?;
        let spoken = connection.protocol();
        if spoken >= protocol {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "the running hub is older than this program (version {}) and has no {what}: it speaks protocol {spoken}, and they came with \
             {protocol}. End it with `trilby hub stop`; the next start brings one that fits",
            env!("CARGO_PKG_VERSION"),
        )))
    }

    async fn forget_broken(&self) {
        let mut held = self.inner.connection.lock().await;
        if held.as_ref().is_some_and(|connection| !connection.is_open()) {
            *held = None;
        }
        drop(held);
        tokio::time::sleep(jittered(FIRST_WAIT)).await;
    }

    /// The connection, made again as often as there is time for. Callers wait for one try together.
    async fn connection(&self, until: Instant) -> Result<Connection, Error> {
        let mut wait = FIRST_WAIT;
        loop {
            let error = match self.try_connection().await {
                Err(error @ Error::Unreachable(_)) => error,
                done => return done,
            };
            let pause = jittered(wait);
            if Instant::now() + pause >= until {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn try_connection(&self) -> Result<Connection, Error> {
        let mut held = self.inner.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| connection.is_open()) {
            return Ok(connection.clone());
        }
        let options = &self.inner.options;
        if *self.inner.closed.borrow() {
            return Err(Error::Refused("this client of the hub was closed".to_owned()));
        }
        let mut last = Error::Unreachable("no socket is known".to_owned());
        for socket in &options.sockets {
            match Connection::open(socket, &options.spawner, self.inner.closed.subscribe()).await {
                Ok(connection) => {
                    if let Some(name) = &options.name {
                        connection.attend(name, &options.spawner, self.inner.closed.subscribe());
                    }
                    *held = Some(connection.clone());
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Changes of keys as the hub tells them.
pub struct Watching {
    messages: Streaming<WatchResponse>,
}

impl Watching {
    /// Waits for the next changes; `None` at the end of the connection.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when this reader was too slow; [`Error::Broken`].
    pub async fn next(&mut self) -> Result<Option<WatchResponse>, Error> {
        self.messages.message().await.map_err(|status| Error::of_status(&status))
    }
}

/// Between half of a wait and all of it, so that many clients do not come at once.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(wait) % 1024;
    wait.mul_f64(0.5 + f64::from(u32::try_from(random).unwrap_or_default()) / 2048.0)
}

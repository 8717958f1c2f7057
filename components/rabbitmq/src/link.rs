//! A connection that is made on demand, made again when it breaks, and kept by nobody else. Used by the publisher and by the
//! subscriptions, which have one each: a server that is short of memory stops reading from publishers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use component::{Tasks, backoff};
use lapin::tcp::AsyncTcpStream;
use lapin::{Channel, Connection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::failure::Failure;
use crate::place::Place;
use crate::wire::{Kit, Wire};

/// How long a connection, a channel or a declaration may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long an orderly goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// The first wait before another try.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// What is needed for connections.
pub(crate) struct Dialer {
    place: Place,
    tasks: Tasks,
    closed: CancellationToken,
    longest_wait: Duration,
    spare: Mutex<Option<Arc<Live>>>,
}

/// An open connection. It says goodbye by itself when nobody holds it any more.
pub(crate) struct Live {
    connection: Option<Connection>,
    cut: CancellationToken,
    tasks: Tasks,
}

impl Dialer {
    /// Nothing is done yet.
    pub(crate) fn new(place: Place, tasks: Tasks, closed: CancellationToken, longest_wait: Duration) -> Self {
        Self { place, tasks, closed, longest_wait, spare: Mutex::new(None) }
    }

    /// Connects once; the connection waits for whoever needs one first.
    pub(crate) async fn greet(&self) -> Result<(), Failure> {
        let live = self.dial().await?;
        self.keep_spare(Some(Arc::new(live)));
        Ok(())
    }

    /// Where the server is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Where background work is started.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The end of the component.
    pub(crate) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Ends the component; connections say goodbye when their last user has gone.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        self.keep_spare(None);
    }

    /// How long to wait after so many failures.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        backoff::wait(failures, SHORTEST_WAIT, self.longest_wait.max(SHORTEST_WAIT))
    }

    fn keep_spare(&self, live: Option<Arc<Live>>) -> Option<Arc<Live>> {
        std::mem::replace(&mut *self.spare.lock().unwrap_or_else(PoisonError::into_inner), live)
    }

    async fn dial(&self) -> Result<Live, Failure> {
        let cut = CancellationToken::new();
        // A try that is given up must not leave the library's thread behind.
        let guard: DropGuard = cut.clone().drop_guard();
        let (uri, properties) = self.place.handshake();
        let (place, token) = (self.place.clone(), cut.clone());
        let open = async move |_, _| {
            let stream = timeout(PATIENCE, place.open()).await.map_err(std::io::Error::from);
            let stream = stream.and_then(|opened| opened).map_err(lapin::Error::from)?;
            Ok(AsyncTcpStream::Plain(Wire::new(stream, token.clone())))
        };
        let connecting = Connection::connector(uri, Kit::current().into(), open, properties);
        let dialed = tokio::select! {
            dialed = timeout(PATIENCE, connecting) => dialed.map_err(|_| Failure::NoConnection(PATIENCE))?,
            () = self.closed.cancelled() => return Err(Failure::Closed),
        };
        let connection = dialed?;
        guard.disarm();
        Ok(Live { connection: Some(connection), cut, tasks: self.tasks.clone() })
    }
}

impl Live {
    /// Whether it still works, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.status().connected())
    }

    /// A new channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Failure> {
        let connection = self.connection.as_ref().ok_or(Failure::Closed)?;
        in_time(connection.create_channel()).await
    }

    /// Breaks it at once.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let cut = self.cut.clone().drop_guard();
        self.tasks.spawn("rabbitmq goodbye", async move {
            // A connection that is broken already has nothing to say.
            let _ = timeout(GOODBYE, connection.close(200, "OK".into())).await;
            drop(cut);
        });
    }
}

/// One connection at a time.
pub(crate) struct Link {
    dialer: Arc<Dialer>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Arc<Live>>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Link {
    /// Nothing is done yet.
    pub(crate) fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, state: tokio::sync::Mutex::default() }
    }

    /// What makes its connections.
    pub(crate) fn dialer(&self) -> &Arc<Dialer> {
        &self.dialer
    }

    /// The connection, or one try to make a new one. However many ask, tries are made one after the other, and each waits
    /// longer than the last.
    pub(crate) async fn live(&self) -> Result<Arc<Live>, Failure> {
        let mut state = self.state.lock().await;
        if self.dialer.closed.is_cancelled() {
            return Err(Failure::Closed);
        }
        if let Some(live) = state.live.as_ref().filter(|live| live.is_open()) {
            return Ok(Arc::clone(live));
        }
        state.live = None;
        if let Some(spare) = self.dialer.keep_spare(None).filter(|live| live.is_open()) {
            state.live = Some(Arc::clone(&spare));
            return Ok(spare);
        }
        if let Some(moment) = state.not_before {
            tokio::time::sleep_until(moment).await;
        }
        let dialed = self.dialer.dial().await;
        state.failures = if dialed.is_ok() { 0 } else { state.failures.saturating_add(1) };
        state.not_before = Some(Instant::now() + self.dialer.pause(state.failures));
        let live = Arc::new(dialed?);
        state.live = Some(Arc::clone(&live));
        Ok(live)
    }

    /// Lets go of the connection; those who use it keep it.
    pub(crate) async fn release(&self) {
        self.state.lock().await.live = None;
    }
}

/// The answer of the server, in time.
pub(crate) async fn in_time<T>(asking: impl Future<Output = lapin::Result<T>>) -> Result<T, Failure> {
    Ok(timeout(PATIENCE, asking).await.map_err(|_| Failure::NoAnswer(PATIENCE))??)
}

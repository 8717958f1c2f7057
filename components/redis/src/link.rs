//! The connection that the calls of a component share: made on demand, replaced when it breaks, kept by nobody else. Used by
//! each store.
//!
//! A connection is made by a task of its own, so that it comes about even when every caller that waits for it gives up.
//! Nothing waits here while nobody calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use component::{Error, Retry, Tasks};
use redis::{Cmd, RedisResult, Value};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::settings::Connecting;
use crate::wire::{Request, Wire};
use component::backoff;

/// After how long without a call a connection is asked whether it still works.
const RESTED: Duration = Duration::from_secs(1);

/// A shared connection; clones are the same one.
#[derive(Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    connecting: Connecting,
    tasks: Tasks,
    closed: CancellationToken,
    state: Mutex<State>,
}

enum State {
    Idle,
    Dialing(watch::Receiver<Option<Result<Live, Failure>>>),
    Connected { live: Live, used: Instant },
}

#[derive(Clone)]
struct Live {
    wire: Wire,
    made: Instant,
    number: Arc<()>,
}

/// What a request may do, and so how long it may take and when it may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it may be sent again.
    Read,
    /// Something: it is sent again only if it provably was not carried out.
    Write,
    /// The same, and the server may wait that long by itself.
    WaitingWrite(Duration),
}

impl Link {
    /// A connection to be; nothing is done yet.
    pub(crate) fn new(connecting: Connecting, tasks: Tasks) -> Self {
        let state = Mutex::new(State::Idle);
        Self { shared: Arc::new(Shared { connecting, tasks, closed: CancellationToken::new(), state }) }
    }

    /// Asks for a sign of life; says which server gave none.
    pub(crate) async fn greet(&self) -> Result<(), Error> {
        let doing = format!("reach {}", self.shared.connecting.place);
        self.command(&redis::cmd("PING"), Effect::Read, &doing).await.map(drop)
    }

    /// Another connection to the same place.
    pub(crate) fn another(&self) -> Self {
        let shared = Shared {
            connecting: self.shared.connecting.clone(),
            tasks: self.shared.tasks.clone(),
            closed: self.shared.closed.clone(),
            state: Mutex::new(State::Idle),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where it leads.
    pub(crate) fn connecting(&self) -> &Connecting {
        &self.shared.connecting
    }

    /// Where background work is started, and the end of the component.
    pub(crate) fn tasks(&self) -> (&Tasks, &CancellationToken) {
        (&self.shared.tasks, &self.shared.closed)
    }

    /// Gives the connection back, and that of every [`Link::another`].
    pub(crate) fn close(&self) {
        self.shared.closed.cancel();
        *self.shared.lock() = State::Idle;
    }

    /// The answer to one command; `doing` finishes "redis: cannot" in an error.
    pub(crate) async fn command(&self, command: &Cmd, effect: Effect, doing: &str) -> Result<Value, Error> {
        let answer = self.ask(Request::Command(command), effect).await;
        answer.map_err(|failure| failure.into_error(doing))
    }

    /// How many replicas follow the server at this moment; a cluster, whose nodes differ, counts as having none.
    pub(crate) async fn connected_replicas(&self) -> Result<usize, Error> {
        let mut info = redis::cmd("INFO");
        info.arg("replication");
        let answer = self.command(&info, Effect::Read, "ask for replicas").await?;
        let text: String = redis::from_redis_value(answer).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("connected_slaves:")?.trim().parse().ok());
        Ok(count.unwrap_or(0))
    }

    /// The answer to a request.
    pub(crate) async fn ask(&self, request: Request<'_>, effect: Effect) -> Result<Value, Failure> {
        let connecting = &self.shared.connecting;
        let limit = match effect {
            Effect::Read => connecting.read,
            Effect::Write => connecting.write,
            Effect::WaitingWrite(longer) => connecting.write.map(|limit| limit.saturating_add(longer)),
        };
        let mut attempt = 0;
        loop {
            let failure = match self.proven().await {
                Ok(live) => match in_time(limit, live.wire.clone().ask(request)).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => {
                        self.judge(&live, &failure);
                        failure
                    }
                },
                Err(failure) => failure.before_sending(),
            };
            if attempt >= connecting.retries || !may_be_repeated(&failure, effect) {
                return Err(failure);
            }
            tokio::time::sleep(backoff::wait(attempt, connecting.shortest_wait, connecting.longest_wait)).await;
            attempt += 1;
        }
    }

    /// The connection, or a new one. One that has rested is asked first whether it still works: servers and routers close
    /// what is idle, and a write on a closed connection could not be told from one whose answer is lost.
    async fn proven(&self) -> Result<Live, Failure> {
        let (live, rested) = self.live().await?;
        if !rested {
            return Ok(live);
        }
        let ping = redis::cmd("PING");
        let mut asked = live.wire.clone();
        match in_time(self.shared.connecting.read, asked.ask(Request::Command(&ping))).await {
            Ok(_) => Ok(live),
            Err(failure) => {
                self.judge(&live, &failure);
                self.live().await.map(|(live, _)| live)
            }
        }
    }

    /// The connection, or a new one, and whether nobody has used it for a while.
    async fn live(&self) -> Result<(Live, bool), Failure> {
        let mut waiting = {
            let mut state = self.shared.lock();
            if self.shared.closed.is_cancelled() {
                return Err(Failure::Closed);
            }
            match &mut *state {
                State::Connected { live, used } if self.shared.is_good(live, *used) => {
                    let rested = used.elapsed() > RESTED;
                    *used = Instant::now();
                    return Ok((live.clone(), rested));
                }
                // A task that ended badly left its channel closed.
                State::Dialing(waiting) if waiting.has_changed().is_ok() => waiting.clone(),
                State::Idle | State::Dialing(_) | State::Connected { .. } => {
                    let (answer, waiting) = watch::channel(None);
                    *state = State::Dialing(waiting.clone());
                    let shared = Arc::clone(&self.shared);
                    self.shared.tasks.spawn("redis connection", async move { shared.dial(answer).await });
                    waiting
                }
            }
        };
        let answer = waiting.wait_for(Option::is_some).await.map_err(|_| Failure::NoConnection)?;
        let outcome = answer.clone().unwrap_or(Err(Failure::NoConnection));
        outcome.map(|live| (live, false))
    }

    fn judge(&self, live: &Live, failure: &Failure) {
        // A cluster's connection is many, and the library replaces each that breaks; one that is silent it keeps.
        let broken = match failure {
            Failure::NoAnswer => true,
            _ => !live.wire.is_cluster() && failure.meaning().broken,
        };
        if !broken {
            return;
        }
        let mut state = self.shared.lock();
        if let State::Connected { live: current, .. } = &*state
            && Arc::ptr_eq(&current.number, &live.number)
        {
            *state = State::Idle;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_good(&self, live: &Live, used: Instant) -> bool {
        let now = Instant::now();
        let within = |limit: Option<Duration>, since: Instant| limit.is_none_or(|limit| now - since < limit);
        within(self.connecting.age, live.made) && within(self.connecting.idle, used)
    }

    async fn dial(self: Arc<Self>, answer: watch::Sender<Option<Result<Live, Failure>>>) {
        let dialed = tokio::select! {
            dialed = self.connecting.dial() => dialed,
            () = self.closed.cancelled() => Err(Failure::Closed),
        };
        let now = Instant::now();
        let outcome = dialed.map(|wire| Live { wire, made: now, number: Arc::new(()) });
        let mut state = self.lock();
        *state = match &outcome {
            Ok(live) if !self.closed.is_cancelled() => State::Connected { live: live.clone(), used: now },
            _ => State::Idle,
        };
        drop(state);
        answer.send_replace(Some(outcome));
    }
}

fn may_be_repeated(failure: &Failure, effect: Effect) -> bool {
    use component::ErrorKind::Unavailable;
    let meaning = failure.meaning();
    meaning.kind == Unavailable
        // After a whole timeout the caller has waited enough.
        && !matches!(failure, Failure::Closed | Failure::NoConnection)
        && (effect == Effect::Read || meaning.retry == Retry::NotProcessed)
}

async fn in_time(limit: Option<Duration>, ask: impl Future<Output = RedisResult<Value>>) -> Result<Value, Failure> {
    let Some(limit) = limit else { return Ok(ask.await?) };
    match tokio::time::timeout(limit, ask).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::NoAnswer),
    }
}

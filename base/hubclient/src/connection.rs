//! One connection to the hub: the socket, whose it is, HTTP/2 on it, and the handshake. `client` keeps and replaces it.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use wire::hub::hub_client::HubClient;
use wire::hub::{AttendRequest, HelloRequest};

use crate::{Error, NEWEST_PROTOCOL, OLDEST_PROTOCOL, PROTOCOL_HEADER, Spawner};

/// How long connecting and the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Bytes of answers that may wait for their readers.
const WINDOW: u32 = 8 << 20;

/// A connection whose handshake is done. A clone is the same connection.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: Sender,
    protocol: u32,
}

/// Whether the client was closed; an error when it is gone.
pub(crate) type Closed = tokio::sync::watch::Receiver<bool>;

impl Connection {
    /// Connects, and says hello.
    pub(crate) async fn open(socket: &Path, spawner: &Spawner, closed: Closed) -> Result<Self, Error> {
        let late = |_| Error::Unreachable(format!("{} does not answer", socket.display()));
        tokio::time::timeout(HANDSHAKE, Self::shake_hands(socket, spawner, closed)).await.map_err(late)?
    }

    async fn shake_hands(socket: &Path, spawner: &Spawner, mut closed: Closed) -> Result<Self, Error> {
        let unreachable = |error: &dyn std::fmt::Display| Error::Unreachable(format!("{}: {error}", socket.display()));
        let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Error::Refused(format!("the socket {} belongs to another user: {error}", socket.display()))
            }
            _ => unreachable(&error),
        })?;
        let owner = stream.peer_cred().map_err(|error| unreachable(&error))?.uid();
        let own = nix::unistd::geteuid().as_raw();
        if owner != own {
            return Err(Error::Refused(format!(
                "the hub at {} runs as user {owner}, and this process as user {own}: each user has a hub of their own",
                socket.display()
            )));
        }
        let handshake = http2::Builder::new(spawner.clone())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(|error| unreachable(&error))?;
        spawner.spawn("connection to the hub", async move {
            tokio::select! {
                _ = connection => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
        let sender = Sender { sender, protocol: HeaderValue::from(NEWEST_PROTOCOL) };
        let mut connection = Self { sender, protocol: NEWEST_PROTOCOL };
        let hello = HelloRequest {
            oldest_protocol: OLDEST_PROTOCOL,
            newest_protocol: NEWEST_PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let answer = connection.stub().hello(hello).await.map_err(|status| match Error::of_status(&status) {
            Error::Broken(reason) => Error::Unreachable(reason),
            error => error,
        })?;
        let answer = answer.into_inner();
        if !(OLDEST_PROTOCOL..=NEWEST_PROTOCOL).contains(&answer.protocol) {
            return Err(Error::Refused(mismatch(&answer)));
        }
        connection.sender.protocol = HeaderValue::from(answer.protocol);
        connection.protocol = answer.protocol;
        Ok(connection)
    }

    pub(crate) fn stub(&self) -> HubClient<Sender> {
        // What comes from the hub of this very user is as large as it is.
        let client = HubClient::with_origin(self.sender.clone(), Uri::from_static("http://hub"));
        client.max_decoding_message_size(usize::MAX)
    }

    /// Says who is there, as long as the connection lasts.
    pub(crate) fn attend(&self, name: &str, spawner: &Spawner, mut closed: Closed) {
        let request = AttendRequest { name: name.to_owned(), pid: std::process::id() };
        let mut hub = self.stub();
        spawner.spawn("attending the hub", async move {
            let attending = async move {
                let Ok(answer) = hub.attend(request).await else { return };
                // The stream alone keeps the connection as it is; the hub counts the client as long as it lasts.
                drop(hub);
                let mut messages = answer.into_inner();
                while let Ok(Some(_)) = messages.message().await {}
            };
            tokio::select! {
                () = attending => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
    }

    /// The version that both ends speak.
    pub(crate) fn protocol(&self) -> u32 {
        self.protocol
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sender.sender.is_closed()
    }

    /// Completes at the end of the connection: true if the hub was told to end.
    pub(crate) async fn ended(&self, name: &str) -> bool {
        let request = AttendRequest { name: name.to_owned(), pid: std::process::id() };
        let Ok(answer) = self.stub().attend(request).await else { return false };
        let mut messages = answer.into_inner();
        let mut was_told = false;
        while let Ok(Some(message)) = messages.message().await {
            was_told |= message.stopping;
        }
        was_told
    }
}

fn mismatch(answer: &wire::hub::HelloResponse) -> String {
    let (oldest, newest) = (answer.oldest_protocol, answer.newest_protocol);
    let what = if newest < OLDEST_PROTOCOL { "older" } else { "newer" };
    format!(
        "the running hub (version {}, process {}) is {what} than this program (version {}): it speaks protocol {oldest} to {newest}, this \
         program {OLDEST_PROTOCOL} to {NEWEST_PROTOCOL}. End it with `trilby hub stop`; the next start brings one that fits",
        answer.version,
        answer.pid,
        env!("CARGO_PKG_VERSION"),
    )
}

/// The connection as the stubs take it.
#[derive(Clone)]
pub(crate) struct Sender {
    sender: SendRequest<tonic::body::Body>,
    protocol: HeaderValue,
}

/// A request that did not get its answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    /// It never left.
    pub(crate) was_not_sent: bool,
    reason: String,
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Unanswered {}

impl tower_service::Service<Request<tonic::body::Body>> for Sender {
    type Response = Response<Incoming>;
    type Error = Unanswered;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unanswered>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        let unready = |error: hyper::Error| Unanswered { was_not_sent: true, reason: error.to_string() };
        self.sender.poll_ready(context).map_err(unready)
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Self::Future {
        request.headers_mut().insert(PROTOCOL_HEADER, self.protocol.clone());
        let answer = self.sender.try_send_request(request);
        Box::pin(async move {
            answer.await.map_err(|mut error| {
                let was_not_sent = error.take_message().is_some();
                Unanswered { was_not_sent, reason: error.into_error().to_string() }
            })
        })
    }
}

//! A connection on which a channel is listened to. It is one of its own: notifications come to the connection that asked
//! for them, as long as it lives.

use std::future::poll_fn;
use std::time::Duration;

use component::{Error, ErrorKind, Tasks};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::failure::failure;
use crate::options::Options;

/// Notifications that wait here; the rest waits in the server.
const WAITING: usize = 256;
/// A listener says nothing itself, so only these notice that the network is cut.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// An open line.
pub(super) struct Line {
    notifications: mpsc::Receiver<String>,
    _client: Client,
    _open: DropGuard,
}

impl Line {
    /// Connects and listens: an answer means that no notification is missed any more.
    pub(super) async fn open(options: &Options, channel: &str, tasks: &Tasks) -> Result<Self, Error> {
        let opening = async {
            let mut config = options.config.clone();
            config.keepalives(true).keepalives_idle(KEEP_ALIVE_IDLE);
            config.keepalives_interval(KEEP_ALIVE_INTERVAL).keepalives_retries(2);
            let doing = "failed to connect to the database";
            let (client, mut driver) =
                config.connect(options.tls.clone()).await.map_err(|error| failure(doing, &error))?;
            let (sender, notifications) = mpsc::channel(WAITING);
            let closing = CancellationToken::new();
            let closed = closing.clone();
            tasks.spawn("configuration.postgresql line", async move {
                let work = async {
                    while let Some(Ok(message)) = poll_fn(|context| driver.poll_message(context)).await {
                        if let AsyncMessage::Notification(notification) = message
                            && sender.send(notification.payload().to_owned()).await.is_err()
                        {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = closed.cancelled() => {}
                    () = work => {}
                }
            });
            let open = closing.drop_guard();
            let listen = format!("LISTEN \"{channel}\"");
            client.batch_execute(&listen).await.map_err(|error| failure("error listening to channel", &error))?;
            Ok(Self { notifications, _client: client, _open: open })
        };
        match tokio::time::timeout(options.connect_timeout, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "failed to listen: no answer from PostgreSQL in time")),
        }
    }

    /// The next notification; `None` when the line is dead.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.notifications.recv().await
    }
}

//! The settings that all components of the hub have, and their way to it. Used by `state`, `configuration`, `lock`, `pubsub`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use component::{Error, ErrorKind, Retry, Settings, Setup};
use hubclient::layout::{self, Area};
use hubclient::{Client, Options, Spawner, socket_candidates};
use wire::hub::{KeyValue, Keys, Operation, Range, Transaction, TransactionAnswer, keys, operation};

/// The metadata of the components of the hub.
#[derive(Settings)]
pub(crate) struct HubSettings {
    /// Path of the hub's socket. Without it: `TRILBY_HUB_SOCKET`, else `hub.sock` in the runtime folder of this user.
    socket: String,
    /// Which database of the hub is used; components with the same one share what is in it.
    #[setting(default = "default")]
    database: String,
    /// How long a call waits for a hub that is being started again.
    #[setting(default = "5s")]
    connect_timeout: Duration,
}

/// A component's part of the hub.
pub(crate) struct Hub {
    pub(crate) client: Client,
    /// What all keys of the component begin with.
    pub(crate) prefix: String,
}

impl Hub {
    /// Connects, so that a hub that is missing or does not fit is told at the start.
    pub(crate) async fn open(setup: Setup, area: Area) -> Result<Self, Error> {
        let settings = HubSettings::parse(&setup.properties)?;
        check_database(&settings.database)?;
        let client = client(&setup, &settings.socket, settings.connect_timeout);
        client.connect().await.map_err(failed)?;
        Ok(Self { client, prefix: layout::prefix(area, &settings.database) })
    }

    /// A key as it is called in the hub.
    pub(crate) fn full(&self, key: &str) -> Bytes {
        format!("{}{key}", self.prefix).into()
    }

    /// A key as the component's callers know it; `None` for one that is no text.
    pub(crate) fn own(&self, key: &Bytes) -> Option<String> {
        let key = key.strip_prefix(self.prefix.as_bytes())?;
        String::from_utf8(key.to_vec()).ok()
    }

    /// Reads one key.
    pub(crate) async fn read_one(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        let answers = self.client.read(vec![one(self.full(key))]).await.map_err(failed)?;
        Ok(answers.into_iter().flat_map(|answer| answer.entries).next())
    }

    /// Does one transaction.
    pub(crate) async fn transact(&self, transaction: Transaction) -> Result<TransactionAnswer, Error> {
        let answers = self.client.transact(vec![transaction]).await.map_err(failed)?;
        let answer = answers.into_iter().next();
        accepted(answer.ok_or_else(|| Error::new(ErrorKind::Internal, "the hub answered nothing"))?)
    }
}

/// Refuses a name of a database that would not keep it apart from others.
pub(crate) fn check_database(name: &str) -> Result<(), Error> {
    layout::check_database(name).map_err(|reason| Error::new(ErrorKind::InvalidArgument, format!("database: {reason}")))
}

/// A client of the hub for a component; it is not connected yet.
pub(crate) fn client(setup: &Setup, socket: &str, patience: Duration) -> Client {
    let variables = &setup.host.variables;
    let sockets = match socket {
        "" => socket_candidates(|name| variables.get(name).map(str::to_owned)),
        named => vec![PathBuf::from(named)],
    };
    let tasks = setup.host.tasks.clone();
    Client::new(Options {
        sockets,
        name: Some(format!("{} ({})", setup.host.app, setup.name)),
        patience,
        spawner: Spawner::new(move |name, work| tasks.spawn(name, work)),
    })
}

/// An answer to a transaction that the hub did not refuse.
pub(crate) fn accepted(answer: TransactionAnswer) -> Result<TransactionAnswer, Error> {
    match answer.refused {
        Some(reason) => Err(Error::new(ErrorKind::InvalidArgument, reason)),
        None => Ok(answer),
    }
}

/// Asks for one key.
pub(crate) fn one(key: Bytes) -> Range {
    Range { keys: Some(Keys { keys: Some(keys::Keys::One(key)) }), ..Range::default() }
}

/// An operation of a transaction.
pub(crate) fn operation(operation: operation::Operation) -> Operation {
    Operation { operation: Some(operation) }
}

/// The removal of one key.
pub(crate) fn removal(key: Bytes) -> Operation {
    operation(operation::Operation::Delete(Keys { keys: Some(keys::Keys::One(key)) }))
}

/// A duration as the protocol has it.
pub(crate) fn milliseconds(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX)
}

/// A failure of the hub as callers see it.
pub(crate) fn failed(error: hubclient::Error) -> Error {
    use hubclient::Error as Hub;
    match &error {
        Hub::Unreachable(_) => {
            let message = format!("{error}; start one with `trilby hub start`");
            Error::new(ErrorKind::Unavailable, message).with_retry(Retry::NotProcessed)
        }
        Hub::Full(_) => Error::new(ErrorKind::Unavailable, error.to_string()).with_retry(Retry::NotProcessed),
        Hub::Broken(_) | Hub::Failed(_) => Error::new(ErrorKind::Unavailable, error.to_string()),
        Hub::Refused(_) => Error::new(ErrorKind::PermissionDenied, error.to_string()),
        Hub::Invalid(_) => Error::new(ErrorKind::InvalidArgument, error.to_string()),
        Hub::OutOfRange(_) | Hub::NotFound(_) => Error::new(ErrorKind::Internal, error.to_string()),
    }
}

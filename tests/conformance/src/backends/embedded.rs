//! `state.embedded`, `pubsub.embedded`, `configuration.embedded` and `lock.embedded`, on one hub for all checks: the executable of this build
//! (`TRILBY_BIN`, or the `trilby` that stands beside the test) in a folder of its own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hubclient::layout::{Area, USUAL_DATABASE, key};
use hubclient::{Client, Options, Spawner};
use tokio_util::task::TaskTracker;
use wire::hub::{Keys, Operation, Put, Transaction, keys, operation};

use crate::Capability::{
    BulkPublish, ContentType, Delay, Durable, Etag, ExpireTime, Groups, KeyListing, KeyOrder, MessageMetadata,
    MessageTtl, Order, PrefixRemoval, Restart, Transactions, Ttl,
};
use crate::configuration::{ConfigurationProfile, ConfigurationStores, Versions};
use crate::lock::{LockProfile, LockStores};
use crate::pubsub::{BrokerProfile, Brokers, ODD_TOPICS};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Ground, Starting, Unavailable};

pub(super) const STATE: &[Backend<StateStores>] = &[Backend {
    name: "embedded",
    component_type: "state.embedded",
    version: "v1",
    capabilities: &[Etag, Transactions, Ttl, ExpireTime, PrefixRemoval, KeyListing, Restart],
    start,
    profile: StateProfile {
        // No write is ever given the last revision there could be.
        etags: Etags { foreign: "18446744073709551615", malformed: &[] },
        limits: Limits { value_bytes: 64 << 20, key_bytes: 61_000, nul_in_keys: true },
        shared: true,
        uses_given_clock: false,
    },
}];

pub(super) const PUBSUB: &[Backend<Brokers>] = &[Backend {
    name: "embedded",
    component_type: "pubsub.embedded",
    version: "v1",
    capabilities: &[
        ContentType,
        MessageMetadata,
        BulkPublish,
        Order,
        KeyOrder,
        Delay,
        MessageTtl,
        Groups,
        Durable,
        Restart,
    ],
    start,
    profile: BrokerProfile {
        shared: true,
        odd_topics: ODD_TOPICS,
        in_flight: 64,
        again_within: Duration::from_secs(2),
        delay: Some(("delay", "2s")),
        key: Some("orderingKey"),
    },
}];

pub(super) const CONFIGURATION: &[Backend<ConfigurationStores>] = &[Backend {
    name: "embedded",
    component_type: "configuration.embedded",
    version: "v1",
    capabilities: &[Restart],
    start,
    profile: ConfigurationProfile { metadata: &[], versions: Versions::Own },
}];

pub(super) const LOCK: &[Backend<LockStores>] = &[Backend {
    name: "embedded",
    component_type: "lock.embedded",
    version: "v1",
    capabilities: &[Restart],
    start,
    profile: LockProfile { shared: true },
}];

struct Hub {
    program: PathBuf,
    place: tempfile::TempDir,
    process: Mutex<Child>,
}

impl Hub {
    fn socket(&self) -> PathBuf {
        self.place.path().join("hub.sock")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn program() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test has no other environment than that of its process")]
    let named = std::env::var_os("TRILBY_BIN").map(PathBuf::from);
    let own = std::env::current_exe().ok()?;
    named.or_else(|| Some(own.parent()?.parent()?.join("trilby"))).filter(|path| path.is_file())
}

fn spawn(program: &PathBuf, place: &tempfile::TempDir) -> Child {
    let mut command = Command::new(program);
    command.arg("hub").arg("--socket").arg(place.path().join("hub.sock"));
    command.arg("--data-dir").arg(place.path().join("data")).args(["--idle-timeout", "0s", "--log-level", "error"]);
    command.stdin(Stdio::null()).spawn().expect("the hub can be started")
}

fn start() -> Starting {
    Box::pin(async {
        let program =
            program().ok_or_else(|| Unavailable("the executable is not built: cargo build -p trilby".to_owned()))?;
        let place = tempfile::tempdir().expect("a folder can be made");
        let process = Mutex::new(spawn(&program, &place));
        let hub = Hub { program, place, process };
        let (client, tasks) = client(hub.socket());
        client.connect().await.expect("the hub answers");
        client.close().await;
        tasks.close();
        tasks.wait().await;
        Ok(Arc::new(hub) as Arc<dyn Ground>)
    })
}

fn client(socket: PathBuf) -> (Client, TaskTracker) {
    let tasks = TaskTracker::new();
    let tracker = tasks.clone();
    let spawner = Spawner::new(move |_, work| drop(tracker.spawn(work)));
    let patience = Duration::from_secs(20);
    (Client::new(Options { sockets: vec![socket], name: None, patience, spawner }), tasks)
}

#[async_trait]
impl Ground for Hub {
    fn properties(&self) -> Vec<(String, String)> {
        vec![("socket".to_owned(), self.socket().display().to_string())]
    }

    async fn restart(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.kill().expect("it can be killed");
        process.wait().expect("it ends");
        *process = spawn(&self.program, &self.place);
    }

    async fn configure(&self, name: &str, value: Option<(&str, &str)>) {
        let (client, tasks) = client(self.socket());
        let key = key(Area::Configuration, USUAL_DATABASE, name);
        let change = match value {
            Some((value, _)) => {
                operation::Operation::Put(Put { key, value: Bytes::copy_from_slice(value.as_bytes()), ends: None })
            }
            None => operation::Operation::Delete(Keys { keys: Some(keys::Keys::One(key)) }),
        };
        let then = vec![Operation { operation: Some(change) }];
        let done = client.transact(vec![Transaction { then, ..Transaction::default() }]).await;
        let answers = done.unwrap_or_else(|error| panic!("configure {name}: {error}"));
        assert!(answers.iter().all(|answer| answer.refused.is_none()), "{answers:?}");
        client.close().await;
        tasks.close();
        tasks.wait().await;
    }
}

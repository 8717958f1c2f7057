//! `state.redis`: state in Redis, in the target's hashes. Called through `loaded`; what is sent and how it is judged stands
//! in `state/scripts.rs`.

mod keys;
mod operation;
mod scripts;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use component::state::{
    BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, KeyListing, KeysPage, KeysRequest, Operation,
    SetRequest, StateStore, Stored, TTL_EXPIRE_TIME, Transaction, Transactional,
};
use component::{Backend, CallContext, Clock, Constructing, Error, ErrorKind, Metadata, Setup};
use futures_util::StreamExt as _;
use redis::cluster_routing::Slot;
use redis::{Value, cmd, pipe};
use tokio::sync::{Mutex, MutexGuard, oneshot};

use crate::failure::Failure;
use crate::link::{Effect, Link};
use crate::script::{Given, Replicas};
use crate::settings::{Kind, Place, RedisSettings};
use crate::wire::Request;
use operation::{MOST_SECONDS, PARTS, Prepared};

/// How many requests of a bulk are under way at once unless the caller wants fewer.
const AT_ONCE: usize = 64;
/// How long a write waits for replicas, as in the target.
const REPLICAS_IN: Duration = Duration::from_secs(1);
/// How many transactions of a cluster can be under way at once at most.
const LINES: u64 = 256;
const JSON: &str = "application/json";

/// The store as the runtime holds it: what is begun may outlive the call.
struct RedisState(Arc<Store>);

struct Store {
    name: String,
    link: Link,
    /// For writes that wait for replicas: the server keeps everything behind them on a connection waiting.
    waiting: Link,
    clock: Clock,
    usual_life: Option<i64>,
    replicas: usize,
    ends: Ends,
    /// Whether the server keeps JSON documents, which the target then uses for values that are declared to be JSON.
    keeps_json: bool,
    /// Where transactions over several slots of a cluster wait for each other.
    lines: Vec<Mutex<()>>,
    said_replicas_missing: AtomicBool,
    said_slots_apart: AtomicBool,
}

/// What the server says of the end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// When it is.
    Told,
    /// In how long it is: an older server.
    Ahead,
    /// Nothing to this user.
    Untold,
}

impl Ends {
    async fn find_out(link: &Link) -> Self {
        for ends in [Self::Told, Self::Ahead] {
            let mut question = cmd(ends.command());
            question.arg("trilby");
            if link.ask(Request::Command(&question), Effect::Read).await.is_ok() {
                return ends;
            }
        }
        Self::Untold
    }

    fn command(self) -> &'static str {
        match self {
            Self::Told => "PEXPIRETIME",
            Self::Ahead | Self::Untold => "PTTL",
        }
    }
}

/// Makes a store; the server must be there.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async move {
        let store: Arc<dyn StateStore> = Arc::new(RedisState(Arc::new(Store::connect(setup).await?)));
        Ok(store)
    })
}

impl Store {
    async fn connect(setup: Setup) -> Result<Self, Error> {
        let (settings, connecting) = RedisSettings::read(&setup.name, &setup.properties, Kind::State)?;
        if !settings.query_indexes.is_empty() {
            let text =
                "metadata field queryIndexes is given: queries on Redis (RedisJSON and RediSearch) are not built";
            return Err(Error::new(ErrorKind::NotSupported, text));
        }
        if settings.ttl_in_seconds.is_some_and(|seconds| seconds > MOST_SECONDS) {
            let text = "metadata field ttlInSeconds lies too far in the future";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let link = Link::new(connecting, setup.host.tasks);
        link.greet().await?;
        let replicas = link.connected_replicas().await?;
        Ok(Self {
            name: setup.name,
            waiting: link.another(),
            clock: setup.host.clock,
            usual_life: settings.ttl_in_seconds,
            replicas,
            ends: Ends::find_out(&link).await,
            keeps_json: has_command(&link, "JSON.GET").await,
            link,
            lines: (0..LINES).map(|_| Mutex::new(())).collect(),
            said_replicas_missing: AtomicBool::new(false),
            said_slots_apart: AtomicBool::new(false),
        })
    }

    async fn read(&self, key: &str) -> Result<Option<Stored>, Error> {
        let mut questions = pipe();
        questions.cmd("HGETALL").arg(key);
        if self.ends != Ends::Untold {
            questions.cmd(self.ends.command()).arg(key);
        }
        match self.link.ask(Request::Pipeline(&questions, key), Effect::Read).await {
            Ok(answer) => self.stored(answer),
            // Written by something older: a plain value.
            Err(failure) if failure.code() == Some("WRONGTYPE") => self.read_plain(key).await,
            Err(failure) => Err(failure.into_error("get state")),
        }
    }

    async fn read_plain(&self, key: &str) -> Result<Option<Stored>, Error> {
        let mut get = cmd("GET");
        get.arg(key);
        match self.link.command(&get, Effect::Read, "get state").await? {
            Value::BulkString(data) => Ok(Some(Stored { data: data.into(), ..Stored::default() })),
            _ => Ok(None),
        }
    }

    fn stored(&self, answer: Value) -> Result<Option<Stored>, Error> {
        let Value::Array(answers) = answer else { return Err(unexpected()) };
        let mut answers = answers.into_iter();
        let (Some(fields), end) = (answers.next(), answers.next()) else { return Err(unexpected()) };
        let fields: Vec<(Vec<u8>, Vec<u8>)> = redis::from_redis_value(fields).map_err(|_| unexpected())?;
        if fields.is_empty() {
            return Ok(None);
        }
        let mut fields: BTreeMap<Vec<u8>, Vec<u8>> = fields.into_iter().collect();
        let (Some(data), Some(version)) = (fields.remove(&b"data"[..]), fields.remove(&b"version"[..])) else {
            return Err(Error::new(ErrorKind::Internal, "required hash field 'data' or 'version' was not found"));
        };
        let version = String::from_utf8(version).map_err(|_| unexpected())?;
        Ok(Some(Stored {
            data: Bytes::from(data),
            etag: Some(version.into()),
            metadata: self.end_metadata(end.as_ref()),
        }))
    }

    /// `end` is negative for a value that lives for ever.
    fn end_metadata(&self, end: Option<&Value>) -> Metadata {
        let Some(Value::Int(end)) = end else { return Metadata::new() };
        let Ok(end) = u64::try_from(*end) else { return Metadata::new() };
        let from = if self.ends == Ends::Told { UNIX_EPOCH } else { self.clock.now() };
        let end = from.checked_add(Duration::from_millis(end)).unwrap_or(SystemTime::UNIX_EPOCH);
        let seconds = end.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
        let seconds = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        seconds.map(|end| Metadata::from([(TTL_EXPIRE_TIME.to_owned(), end.to_string())])).unwrap_or_default()
    }

    /// The target keeps such values as documents of RedisJSON, where the server has that.
    fn refuse_documents(&self, metadata: &Metadata) -> Result<(), Error> {
        if self.keeps_json && metadata.get("contentType").is_some_and(|content_type| content_type == JSON) {
            let text = "contentType application/json means a JSON document on a server with RedisJSON, which is not \
                        built: leave the metadata contentType out";
            return Err(Error::new(ErrorKind::NotSupported, text));
        }
        Ok(())
    }

    async fn write(&self, operation: Prepared<'_>, doing: &str) -> Result<(), Error> {
        let operations = [operation];
        let answer = self.operate("both", &operations, doing).await?;
        let [operation] = &operations;
        match answer {
            0 => Ok(()),
            refused => Err(refusal(operation.key, refused)),
        }
    }

    /// The script's answer.
    async fn operate(&self, mode: &str, operations: &[Prepared<'_>], doing: &str) -> Result<i64, Error> {
        let keys: Vec<&str> = operations.iter().map(|operation| operation.key).collect();
        let mut arguments: Vec<&[u8]> = Vec::with_capacity(1 + operations.len() * PARTS);
        arguments.push(mode.as_bytes());
        for operation in operations {
            arguments.extend(operation.arguments());
        }
        let given = Given { keys: &keys, arguments: &arguments };
        let strong = self.replicas > 0 && operations.iter().any(|operation| operation.strong);
        let answer = if strong && mode != "judge" {
            let replicas = Replicas { count: self.replicas, at_most: REPLICAS_IN };
            let (answer, reached) = scripts::OPERATE.run_and_wait(&self.waiting, given, replicas, doing).await?;
            self.say_replicas(reached);
            answer
        } else {
            scripts::OPERATE.run(&self.link, given, doing).await?
        };
        match answer {
            Value::Int(answer) => Ok(answer),
            _ => Err(unexpected()),
        }
    }

    /// The write is done whatever the replicas say, as in the target; that they lag is said once.
    fn say_replicas(&self, reached: i64) {
        let missing = usize::try_from(reached).unwrap_or(0) < self.replicas;
        if missing && !self.said_replicas_missing.swap(missing, Ordering::Relaxed) {
            let (name, all) = (&self.name, self.replicas);
            tracing::warn!("component {name}: a strong write reached {reached} of {all} replicas within a second");
        }
    }

    /// Operations of a cluster, by slot. Keys of several slots cannot change in one step: all are judged first, then each
    /// slot is one step.
    async fn transact_in_slots(&self, slots: Vec<(Slot, Vec<Operation>)>, doing: &str) -> Result<(), Error> {
        let mut parts = Vec::with_capacity(slots.len());
        for (_, operations) in &slots {
            parts.push(self.prepare(operations)?);
        }
        if parts.len() > 1 && !self.said_slots_apart.swap(true, Ordering::Relaxed) {
            let name = &self.name;
            tracing::warn!(
                "component {name}: a transaction has keys of several slots of the cluster: each slot is all or nothing, \
                 the whole is not. Keys with the same {{tag}} share a slot"
            );
        }
        let _turn = self.take_turn(&slots).await;
        if parts.len() > 1 {
            for part in &parts {
                refuse(part, self.operate("judge", part, doing).await?)?;
            }
        }
        for part in &parts {
            refuse(part, self.operate("both", part, doing).await?)?;
        }
        Ok(())
    }

    /// Two transactions of this sidecar over the same slots do not mix: each holds its slots' places in line, taken in order.
    async fn take_turn(&self, slots: &[(Slot, Vec<Operation>)]) -> Vec<MutexGuard<'_, ()>> {
        let place = |slot: &Slot| {
            let mut hasher = DefaultHasher::new();
            slot.hash(&mut hasher);
            usize::try_from(hasher.finish() % LINES).unwrap_or(0)
        };
        let mut places: Vec<usize> = slots.iter().map(|(slot, _)| place(slot)).collect();
        places.sort_unstable();
        places.dedup();
        let mut held = Vec::with_capacity(places.len());
        for line in places.into_iter().filter_map(|place| self.lines.get(place)) {
            held.push(line.lock().await);
        }
        held
    }

    fn prepare<'a>(&self, operations: &'a [Operation]) -> Result<Vec<Prepared<'a>>, Error> {
        let prepare = |operation: &'a Operation| {
            self.refuse_documents(match operation {
                Operation::Upsert(request) => &request.metadata,
                Operation::Delete(request) => &request.metadata,
            })?;
            Prepared::of_transaction(operation, self.usual_life)
        };
        operations.iter().map(prepare).collect()
    }
}

/// The operations by the slots of a cluster that their keys are in, in order.
fn by_slot(operations: &[Operation]) -> Vec<(Slot, Vec<Operation>)> {
    let mut slots: Vec<(Slot, Vec<Operation>)> = Vec::new();
    for operation in operations {
        let slot = Slot::for_key(match operation {
            Operation::Upsert(request) => &request.key,
            Operation::Delete(request) => &request.key,
        });
        match slots.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, part)) => part.push(operation.clone()),
            None => slots.push((slot, vec![operation.clone()])),
        }
    }
    slots
}

fn refuse(operations: &[Prepared<'_>], answer: i64) -> Result<(), Error> {
    if answer == 0 {
        return Ok(());
    }
    let place = usize::try_from(answer.unsigned_abs()).unwrap_or(0).saturating_sub(1);
    Err(refusal(operations.get(place).map(|operation| operation.key).unwrap_or_default(), answer))
}

fn refusal(key: &str, answer: i64) -> Error {
    if answer < 0 {
        let text = format!("the hash at key {key} has a version that is not a number: it is not one of this store");
        return Error::new(ErrorKind::Internal, text);
    }
    Error::etag_mismatch(format_args!("key {key} has another version"))
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "redis: the server's answer has an unexpected form")
}

/// A server that does not say what it has counts as one that has not.
async fn has_command(link: &Link, name: &str) -> bool {
    let mut question = cmd("COMMAND");
    question.arg("INFO").arg(name);
    let answer: Result<Value, Failure> = link.ask(Request::Command(&question), Effect::Read).await;
    matches!(answer, Ok(Value::Array(commands)) if matches!(commands.first(), Some(Value::Array(_))))
}

impl RedisState {
    async fn item(&self, context: &CallContext, request: &GetRequest) -> BulkItem {
        BulkItem { key: request.key.clone(), result: self.get(context, request).await }
    }
}

#[async_trait]
impl Backend for RedisState {
    async fn close(&self) -> Result<(), Error> {
        self.0.link.close();
        self.0.waiting.close();
        Ok(())
    }
}

#[async_trait]
impl StateStore for RedisState {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error> {
        self.0.refuse_documents(&request.metadata)?;
        self.0.read(&request.key).await
    }

    async fn bulk_get(
        &self,
        context: &CallContext,
        requests: &[GetRequest],
        options: BulkOptions,
    ) -> Result<Vec<BulkItem>, Error> {
        let items: Vec<_> = requests.iter().map(|request| self.item(context, request)).collect();
        Ok(futures_util::stream::iter(items).buffered(at_once(options)).collect().await)
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<(), Error> {
        self.0.refuse_documents(&request.metadata)?;
        self.0.write(Prepared::store(request, self.0.usual_life, false)?, "set state").await
    }

    async fn bulk_set(
        &self,
        context: &CallContext,
        requests: &[SetRequest],
        options: BulkOptions,
    ) -> Result<(), BulkError> {
        let calls: Vec<_> = requests.iter().map(|request| self.set(context, request)).collect();
        failed(
            requests.iter().map(|request| &request.key),
            futures_util::stream::iter(calls).buffered(at_once(options)).collect().await,
        )
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<(), Error> {
        self.0.refuse_documents(&request.metadata)?;
        self.0.write(Prepared::remove(request), "delete state").await
    }

    async fn bulk_delete(
        &self,
        context: &CallContext,
        requests: &[DeleteRequest],
        options: BulkOptions,
    ) -> Result<(), BulkError> {
        let calls: Vec<_> = requests.iter().map(|request| self.delete(context, request)).collect();
        failed(
            requests.iter().map(|request| &request.key),
            futures_util::stream::iter(calls).buffered(at_once(options)).collect().await,
        )
    }

    fn etag(&self) -> bool {
        true
    }

    fn ttl(&self) -> bool {
        true
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn key_listing(&self) -> Option<&dyn KeyListing> {
        Some(self)
    }
}

fn at_once(options: BulkOptions) -> usize {
    options.parallelism.unwrap_or(AT_ONCE).clamp(1, AT_ONCE)
}

fn failed<'a>(keys: impl Iterator<Item = &'a String>, done: Vec<Result<(), Error>>) -> Result<(), BulkError> {
    BulkError::from_items(keys.zip(done).filter_map(|(key, result)| Some((key.clone(), result.err()?))).collect())
}

#[async_trait]
impl Transactional for RedisState {
    async fn transact(&self, _: &CallContext, transaction: &Transaction) -> Result<(), Error> {
        let doing = "do a state transaction";
        self.0.refuse_documents(&transaction.metadata)?;
        if matches!(self.0.link.connecting().place, Place::Cluster(_)) {
            // A caller that gives up between two slots must not leave half of it behind.
            let (store, slots) = (Arc::clone(&self.0), by_slot(&transaction.operations));
            let (done, outcome) = oneshot::channel();
            self.0.link.tasks().0.spawn("redis transaction", async move {
                // Nobody waits any longer, and it is done all the same.
                let _ = done.send(store.transact_in_slots(slots, doing).await);
            });
            return outcome.await.unwrap_or_else(|_| Err(unexpected()));
        }
        let operations = self.0.prepare(&transaction.operations)?;
        if operations.is_empty() {
            return Ok(());
        }
        refuse(&operations, self.0.operate("both", &operations, doing).await?)
    }
}

#[async_trait]
impl KeyListing for RedisState {
    async fn keys_like(&self, _: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error> {
        keys::list(&self.0.link, request).await
    }
}

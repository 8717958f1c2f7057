//! Where the sidecars of other apps are: the one name resolver of this sidecar behind a cache, so that a call pays one
//! hash lookup. Whoever opens a connection to another sidecar asks here, and says so when an address did not work.
//!
//! Nothing runs while nobody calls: an answer that grows old is renewed in the background by the call that finds it
//! old, and one search serves everybody who wants the same app. It must not know how a resolver searches.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use component::resolver::{Error, ResolveRequest, Resolved, Resolver, Search};
use service::{Endpoint, Tasks};
use tokio::sync::watch;
use tokio::time::Instant;

/// More apps than this are not remembered; app ids come from outside.
const MAX_APPS: usize = 4096;
/// More apps than this are not looked for at the same time.
const MAX_SEARCHES: usize = 1024;
/// More addresses of one app than this are not remembered.
const MAX_ADDRESSES: usize = 256;
/// How often an empty answer is asked for again, and how long after, as in the target.
const EMPTY_ANSWERS: u32 = 5;
const EMPTY_ANSWER_PAUSE: Duration = Duration::from_millis(100);
/// How long an answer is left alone after a renewal of it began.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// Where the sidecar of an app can be connected to, and whose it has to prove to be. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    text: Arc<str>,
    peer: Arc<str>,
}

impl Address {
    /// `host:port`, or what the resolver of the deployment says.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address with the path of the app's SPIFFE id. Its trust domain is not known beforehand.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint<'_> {
        Endpoint { address: &self.text, peer: &self.peer }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The name resolver of a sidecar and what it said lately. A clone is the same cache.
#[derive(Clone)]
pub struct Resolution {
    inner: Arc<Inner>,
}

struct Inner {
    resolver: Arc<dyn Resolver>,
    tasks: Tasks,
    port: u16,
    answers: RwLock<HashMap<Key, Arc<Answer>>>,
    searches: Mutex<Searches>,
    chance: Chance,
}

/// What a search came to, once it has.
type Outcome = Option<Result<Arc<Answer>, Error>>;

/// The searches under way. One for all instances takes long, so a call that waits does not join it.
type Searches = HashMap<(Key, Search), watch::Receiver<Outcome>>;

/// An app in its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    namespace: Box<str>,
    id: Box<str>,
}

/// The addresses of one app. Never empty.
#[derive(Debug)]
struct Answer {
    first: Address,
    others: Box<[Address]>,
    created: Instant,
    /// Milliseconds after `created` from which the next use renews it.
    refresh_after: AtomicU64,
    expire_after: Duration,
}

impl fmt::Debug for Resolution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Resolution").field("port", &self.inner.port).finish_non_exhaustive()
    }
}

impl Resolution {
    /// A cache over a resolver. `port` is this sidecar's own internal port, for resolvers that know only hosts.
    #[must_use]
    pub fn new(resolver: Arc<dyn Resolver>, port: u16, tasks: Tasks) -> Self {
        let inner = Inner {
            resolver,
            tasks,
            port,
            answers: RwLock::default(),
            searches: Mutex::default(),
            chance: Chance::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// One address of an app, at random where there are several.
    ///
    /// Fails with what the resolver said; an app that is not known is searched for each time.
    pub async fn lookup(&self, id: &str, namespace: &str) -> Result<Address, Error> {
        if let Some(answer) = self.inner.remembered(id, namespace) {
            let age = answer.created.elapsed();
            if age < answer.expire_after {
                if answer.takes_renewal(age) {
                    // A renewal that cannot start now is tried again by a later call.
                    let _ = self.inner.search(Key::new(id, namespace), Search::All);
                }
                return Ok(answer.pick(&self.inner.chance));
            }
        }
        let mut outcome = self.inner.search(Key::new(id, namespace), Search::First)?;
        let outcome = outcome.wait_for(Option::is_some).await.map_err(|_| interrupted())?.clone();
        Ok(outcome.unwrap_or_else(|| Err(interrupted()))?.pick(&self.inner.chance))
    }

    /// Drops what is known about an app, because an address of it did not work: the next lookup searches anew.
    pub fn forget(&self, id: &str, namespace: &str) {
        let pair: &dyn Pair = &(namespace, id);
        self.inner.answers.write().unwrap_or_else(PoisonError::into_inner).remove(pair);
    }
}

impl Inner {
    fn remembered(&self, id: &str, namespace: &str) -> Option<Arc<Answer>> {
        let pair: &dyn Pair = &(namespace, id);
        self.answers.read().unwrap_or_else(PoisonError::into_inner).get(pair).cloned()
    }

    /// Starts a search, or joins one of the same kind for the same app.
    fn search(self: &Arc<Self>, key: Key, search: Search) -> Result<watch::Receiver<Outcome>, Error> {
        let task = (key, search);
        let mut searches = self.searches();
        if let Some(outcome) = searches.get(&task) {
            return Ok(outcome.clone());
        }
        if searches.len() >= MAX_SEARCHES {
            return Err(Error::Unavailable("too many apps are being looked for".to_owned()));
        }
        let (sender, receiver) = watch::channel(None);
        searches.insert(task.clone(), receiver.clone());
        drop(searches);
        let inner = Arc::clone(self);
        // A task of its own: a caller that gives up must not take the answer from the others.
        self.tasks.spawn("name-resolution", async move {
            let under_way = UnderWay { inner: &inner, task: &task };
            let found = inner.ask(&task.0, search).await;
            let outcome = found.map(|resolved| inner.remember(&task.0, resolved));
            drop(under_way);
            // Nobody waits for a renewal.
            let _ = sender.send(Some(outcome));
        });
        Ok(receiver)
    }

    async fn ask(&self, key: &Key, search: Search) -> Result<Resolved, Error> {
        let request = ResolveRequest {
            id: key.id.as_ref().to_owned(),
            namespace: key.namespace.as_ref().to_owned(),
            port: self.port,
            data: Vec::new(),
            search,
        };
        for attempt in 0..=EMPTY_ANSWERS {
            if attempt > 0 {
                tokio::time::sleep(EMPTY_ANSWER_PAUSE).await;
            }
            let mut resolved = self.resolver.resolve(&request).await?;
            resolved.addresses.retain(|address| !address.is_empty());
            if !resolved.addresses.is_empty() {
                return Ok(resolved);
            }
        }
        let Key { namespace, id } = key;
        Err(Error::NotFound(format!("resolver returned empty address for app id {namespace}/{id}")))
    }

    fn remember(&self, key: &Key, resolved: Resolved) -> Arc<Answer> {
        let answer = Arc::new(Answer::new(key, resolved));
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_APPS && !answers.contains_key(key) {
            answers.retain(|_, other| other.created.elapsed() < other.expire_after);
            if answers.len() >= MAX_APPS {
                let oldest = answers.iter().min_by_key(|(_, other)| other.created).map(|(key, _)| key.clone());
                oldest.and_then(|key| answers.remove(&key));
            }
        }
        answers.insert(key.clone(), Arc::clone(&answer));
        answer
    }

    fn searches(&self) -> MutexGuard<'_, Searches> {
        self.searches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a search in the books, however it ends.
struct UnderWay<'a> {
    inner: &'a Inner,
    task: &'a (Key, Search),
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.inner.searches().remove(self.task);
    }
}

impl Answer {
    fn new(key: &Key, resolved: Resolved) -> Self {
        let peer: Arc<str> = format!("/ns/{}/{}", key.namespace, key.id).into();
        let address = |text: &str| Address { text: text.into(), peer: Arc::clone(&peer) };
        let mut addresses = resolved.addresses.iter().map(|text| address(text));
        Self {
            first: addresses.next().unwrap_or_else(|| address("")),
            others: addresses.take(MAX_ADDRESSES).collect(),
            created: Instant::now(),
            refresh_after: AtomicU64::new(milliseconds(resolved.freshness.refresh_after)),
            expire_after: resolved.freshness.expire_after,
        }
    }

    /// Whether it is time to renew and nobody else has taken that on in the last moments.
    fn takes_renewal(&self, age: Duration) -> bool {
        let due = self.refresh_after.load(Ordering::Relaxed);
        if milliseconds(age) < due {
            return false;
        }
        let next = milliseconds(age + RENEWAL_PAUSE);
        self.refresh_after.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn pick(&self, chance: &Chance) -> Address {
        if self.others.is_empty() {
            return self.first.clone();
        }
        let position = chance.below(self.others.len() + 1);
        self.others.get(position).unwrap_or(&self.first).clone()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn interrupted() -> Error {
    Error::Unavailable("the search for the app was interrupted".to_owned())
}

/// Random numbers that are good enough to spread calls, without a lock.
struct Chance(AtomicU64);

impl Default for Chance {
    fn default() -> Self {
        Self(AtomicU64::new(RandomState::new().hash_one(0)))
    }
}

impl Chance {
    /// A number below `limit`, which must not be zero. The generator is SplitMix64.
    fn below(&self, limit: usize) -> usize {
        let mut number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from((number ^ (number >> 31)) % limit).unwrap_or_default()
    }
}

/// The two parts of a key, owned or not, so that a lookup copies nothing.
trait Pair {
    fn parts(&self) -> (&str, &str);
}

impl Key {
    fn new(id: &str, namespace: &str) -> Self {
        Self { namespace: namespace.into(), id: id.into() }
    }
}

impl Pair for Key {
    fn parts(&self) -> (&str, &str) {
        (&self.namespace, &self.id)
    }
}

impl Pair for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl Hash for dyn Pair + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Pair + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Pair + '_ {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl<'a> Borrow<dyn Pair + 'a> for Key {
    fn borrow(&self) -> &(dyn Pair + 'a) {
        self
    }
}

#[cfg(test)]
#[path = "resolution_tests.rs"]
mod tests;

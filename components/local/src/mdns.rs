//! The `mdns` resolver: sidecars of one local network find each other by multicast, on the wire as the target does it,
//! so that a fleet may mix both. The runtime makes one and the mesh asks it. It keeps no addresses: its callers do.
//!
//! Like the target it knows no namespaces: an app id is one name in the whole network.
//! Nothing runs while nothing arrives: no timer, no poll.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use component::resolver::{Error, Freshness, Instance, ResolveRequest, Resolved, Resolver, Search};
use hickory_proto::op::Message;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber;

mod browses;
mod query;
mod service;
mod sockets;

use browses::{Browse, Browses};
use service::{PORT, Service};
use sockets::{Member, Sockets};

/// How the target names this component in its logs.
const LOG_NAME: &str = "nr (mdns/v1)";
/// How long an app that does not answer is looked for.
const BROWSE_TIME: Duration = Duration::from_secs(1);
/// When the question is repeated in case a packet was lost.
const REPEAT_AFTER: Duration = Duration::from_millis(300);
/// The largest packet of mDNS (RFC 6762, section 17).
const MAX_PACKET: usize = 9000;
/// How long a socket that fails is left alone.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// A single process does not stand for more apps.
const MAX_SERVICES: usize = 64;

/// Finds sidecars by multicast DNS, and answers for this one.
#[derive(Debug, Default)]
pub struct Mdns {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Shared {
    sockets: Mutex<Option<Arc<Sockets>>>,
    services: Mutex<Vec<Arc<Service>>>,
    browses: Browses,
    closed: CancellationToken,
}

impl Mdns {
    /// A resolver that opens its sockets when it is first needed. It has no settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn sockets(&self) -> Result<Arc<Sockets>, Error> {
        let mut opened = lock(&self.shared.sockets);
        if self.shared.closed.is_cancelled() {
            return Err(Error::Unavailable("the mDNS resolver is closed".to_owned()));
        }
        if let Some(sockets) = opened.as_ref() {
            sockets.refresh();
            return Ok(Arc::clone(sockets));
        }
        let sockets = Arc::new(Sockets::open()?);
        for position in 0..sockets.members().count() {
            let (shared, sockets) = (Arc::clone(&self.shared), Arc::clone(&sockets));
            let listening = async move {
                if let Some(member) = sockets.members().nth(position) {
                    shared.closed.run_until_cancelled(shared.listen(member)).await;
                }
            };
            self.tasks.spawn(listening.with_current_subscriber());
        }
        *opened = Some(Arc::clone(&sockets));
        Ok(sockets)
    }

    /// Adds a service to those that are answered for.
    fn add(&self, service: &Arc<Service>) -> Result<(), Error> {
        let mut services = lock(&self.shared.services);
        let (app_id, port) = (&service.app_id, service.port);
        if services.iter().any(|other| other.app_id == *app_id && other.port == port) {
            return Err(Error::Configuration(format!("app id {app_id} already registered for port {port}")));
        }
        if services.len() >= MAX_SERVICES {
            return Err(Error::Configuration("too many apps are registered".to_owned()));
        }
        services.push(Arc::clone(service));
        Ok(())
    }
}

impl Drop for Mdns {
    /// Lets the tasks end that [`Resolver::close`] would have waited for.
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

#[async_trait]
impl Resolver for Mdns {
    async fn register(&self, instance: &Instance) -> Result<(), Error> {
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned());
        let service = Arc::new(Service::new(instance, &host, std::process::id())?);
        let sockets = self.sockets().inspect_err(|error| {
            tracing::error!(target: "dapr.contrib", component = LOG_NAME, "error from zeroconf register: {error}");
        })?;
        self.add(&service)?;
        let closed = self.shared.closed.clone();
        let announcing = async move {
            closed.run_until_cancelled(announce(&sockets, &service)).await;
        };
        self.tasks.spawn(announcing.with_current_subscriber());
        tracing::info!(target: "dapr.contrib", component = LOG_NAME, "local service entry announced: {} -> {}:{}",
            instance.app_id, instance.address, instance.internal_port);
        Ok(())
    }

    async fn resolve(&self, request: &ResolveRequest) -> Result<Resolved, Error> {
        let question = query::question(&request.id)?;
        let sockets = self.sockets()?;
        let Some(mut browse) = self.shared.browses.join(&request.id) else {
            return Err(Error::Unavailable("too many apps are being looked for".to_owned()));
        };
        tracing::debug!(target: "dapr.contrib", component = LOG_NAME,
            "Browsing for mDNS addresses for app id {}", request.id);
        // Who waits for the same app already has asked for us; the repetition covers an answer we just missed.
        if browse.is_first {
            sockets.multicast(&question);
        }
        let closed = self.shared.closed.clone();
        let collecting = collect(&mut browse, &sockets, &question, request.search);
        let Some(addresses) = closed.run_until_cancelled(collecting).await else {
            return Err(Error::Unavailable("the mDNS resolver is closed".to_owned()));
        };
        if addresses.is_empty() {
            return Err(Error::NotFound(format!("couldn't find service: {}", request.id)));
        }
        Ok(Resolved { addresses, freshness: freshness(request.search) })
    }

    async fn close(&self) -> Result<(), Error> {
        self.shared.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let (sockets, services) =
            (lock(&self.shared.sockets).take(), std::mem::take(&mut *lock(&self.shared.services)));
        for service in services {
            tracing::info!(target: "dapr.contrib", component = LOG_NAME,
                "stopping mDNS server for app id: {}", service.app_id);
            if let (Some(sockets), Some(goodbye)) = (&sockets, service.goodbye()) {
                sockets.multicast(&goodbye);
            }
        }
        Ok(())
    }
}

impl Shared {
    async fn listen(&self, member: &Member) {
        let mut buffer = vec![0; MAX_PACKET];
        loop {
            match member.receive(&mut buffer).await {
                Ok(arrival) => {
                    let packet = buffer.get(..arrival.length).unwrap_or_default();
                    if let Some(message) = self.interesting(packet) {
                        self.handle(&message, member, &arrival);
                    }
                }
                Err(error) => {
                    tracing::debug!(target: "dapr.contrib", component = LOG_NAME, "cannot read mDNS packets: {error}");
                    sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Reads a packet, unless it is a response that nobody waits for: most of what a network says.
    fn interesting(&self, packet: &[u8]) -> Option<Message> {
        let is_response = packet.get(2)? & 0x80 != 0;
        if is_response && self.browses.is_empty() { None } else { Message::from_vec(packet).ok() }
    }

    fn handle(&self, message: &Message, member: &Member, arrival: &sockets::Arrival) {
        // A response from another port is not one (RFC 6762, section 6).
        if arrival.source.port() == PORT {
            self.browses.offer(message);
        }
        for service in lock(&self.services).iter() {
            if let Some(reply) = service.answer(message, arrival.source.port()) {
                member.reply(&reply.bytes, arrival, reply.unicast);
            }
        }
    }
}

/// Addresses as they come in: the first, or all that come in time.
async fn collect(browse: &mut Browse, sockets: &Sockets, question: &[u8], search: Search) -> Vec<String> {
    let started = Instant::now();
    let mut repeat = std::pin::pin!(sleep_until(started + REPEAT_AFTER));
    let mut repeated = false;
    let mut addresses = Vec::new();
    let collecting = async {
        loop {
            tokio::select! {
                answer = browse.next() => {
                    let Some(endpoint) = answer else { return };
                    let address = endpoint.to_string();
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                    if search == Search::First {
                        return;
                    }
                }
                () = &mut repeat, if !repeated => {
                    repeated = true;
                    sockets.multicast(question);
                }
            }
        }
    };
    // Running out of time is how a search for all ends.
    let _ = timeout_at(started + BROWSE_TIME, collecting).await;
    addresses
}

/// The target keeps an address for 60 seconds and looks for more after 30; after a first answer it looks at once.
fn freshness(search: Search) -> Freshness {
    let refresh_after = match search {
        Search::First => Duration::ZERO,
        Search::All => Duration::from_secs(30),
    };
    Freshness { refresh_after, expire_after: Duration::from_secs(60) }
}

/// Two probes at most a quarter of a second apart, then two announcements one second apart.
async fn announce(sockets: &Sockets, service: &Service) {
    for _ in 0..2 {
        if let Some(probe) = service.probe() {
            sockets.multicast(&probe);
        }
        sleep(short_random_pause()).await;
    }
    let Some(announcement) = service.announcement() else { return };
    sockets.multicast(&announcement);
    sleep(Duration::from_secs(1)).await;
    sockets.multicast(&announcement);
}

fn short_random_pause() -> Duration {
    let (_, low) = uuid::Uuid::new_v4().as_u64_pair();
    Duration::from_millis(low % 250)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod recorded_tests;

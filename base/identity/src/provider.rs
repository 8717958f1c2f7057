//! Obtains the identity of a process and keeps it: asks sentry, renews at half life, tries again with growing and jittered
//! pauses, follows the trust anchors. While sentry is away the process works on for the rest of its certificate's life; after
//! that nothing is proven, in or out, until sentry is back.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use security::SpiffeId;
use service::{Credentials, ServerTls, Shutdown, Tasks};

use crate::sentry::{self, Certified, Refusal};
use crate::{
    AnchorSource, Anchors, Credential, Expected, Held, Options, TrustAnchors, Watched, client_config, server_config,
    watch_files,
};

const TARGET: &str = "dapr.runtime.security";
/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause while the certificate is good for long, and when it is not.
const EASY_PAUSE: Duration = Duration::from_secs(10);
const URGENT_PAUSE: Duration = Duration::from_secs(2);
/// Less life than this is urgent.
const URGENT: Duration = Duration::from_secs(600);
/// Clocks are set and machines sleep: no wait for a moment of the day is longer than this without a look at the clock.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Certificates that are renewed more often than this are renewed as often as this.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
/// How often an answer that will not change is asked for before a process gives up at its start.
const FINAL_ANSWERS: u32 = 5;

/// Sees what happens to the identity; for metrics.
pub trait Observer: Send + Sync + 'static {
    /// The first credential is there.
    fn obtained(&self);
    /// It was replaced.
    fn renewed(&self);
    /// It could not be obtained or renewed, for this reason (the label of the target's metric).
    fn failed(&self, reason: &'static str);
}

/// Why a process has no identity and will not get one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(String);

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// What a process proves itself with and judges others by. A clone is the same.
#[derive(Clone, Debug)]
pub struct Security {
    held: Held,
    anchors: Anchors,
}

/// A credential as it is at one moment.
pub type Fetched = Arc<Credential>;

/// Obtains an identity, and keeps it until a stop is requested. Sentry that cannot be reached is waited for.
///
/// # Errors
/// [`Unavailable`] when the trust anchors cannot be read, sentry refuses for good, or a stop was requested meanwhile.
pub async fn obtain(
    options: Options,
    observer: Arc<dyn Observer>,
    tasks: &Tasks,
    shutdown: &Shutdown,
) -> Result<Security, Unavailable> {
    let (first, watched) = tokio::select! {
        read = first_anchors(&options.anchors) => read?,
        () = shutdown.requested() => return Err(Unavailable("stopped while waiting for the trust anchors".to_owned())),
    };
    let anchors = Anchors::new(first);
    if let Some((path, watched)) = watched {
        tasks.spawn("trust anchors", follow(path, watched, anchors.clone(), shutdown.clone()));
    }
    tracing::info!(target: TARGET, "Fetching initial identity");
    let keeper = Keeper { options, observer, tasks: tasks.clone(), anchors: anchors.clone() };
    let first = tokio::select! {
        first = keeper.first() => first?,
        () = shutdown.requested() => return Err(Unavailable("stopped while waiting for sentry".to_owned())),
    };
    keeper.observer.obtained();
    let held = Held::new(first);
    tracing::info!(target: TARGET, "Security is initialized successfully");
    let (kept, stop) = (held.clone(), shutdown.clone());
    tasks.spawn("identity", async move {
        tokio::select! {
            () = keeper.keep(&kept) => {}
            () = stop.requested() => {}
        }
    });
    Ok(Security { held, anchors })
}

impl Security {
    /// Of a credential that somebody else keeps.
    #[must_use]
    pub fn new(held: Held, anchors: Anchors) -> Self {
        Self { held, anchors }
    }

    /// Who this process is.
    #[must_use]
    pub fn id(&self) -> SpiffeId {
        self.held.current().id.clone()
    }

    /// The credential, for those who have to show it in their own way.
    #[must_use]
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// The trust anchors.
    #[must_use]
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// For a listener whose clients have to prove themselves.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub fn server(&self, protocols: &[&[u8]]) -> Result<ServerTls, rustls::Error> {
        let config = server_config(&self.held, Some(&self.anchors), protocols)?;
        let held = self.held.clone();
        Ok(ServerTls::new(config).ending(move || held.current().validity.until))
    }

    /// Towards workloads whose trust domain is not known beforehand: the peer of a connection is the path of an id.
    #[must_use]
    pub fn towards_workloads(&self) -> Arc<dyn Credentials> {
        Arc::new(Towards { security: self.clone(), id: None })
    }

    /// Towards the one process of this id.
    #[must_use]
    pub fn towards(&self, id: SpiffeId) -> Arc<dyn Credentials> {
        Arc::new(Towards { security: self.clone(), id: Some(id) })
    }
}

struct Towards {
    security: Security,
    id: Option<SpiffeId>,
}

impl Credentials for Towards {
    fn client(&self, peer: &str) -> io::Result<Arc<rustls::ClientConfig>> {
        let Security { held, anchors } = &self.security;
        if held.valid().is_none() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the certificate of this process has expired and sentry has not renewed it",
            ));
        }
        let expected = match &self.id {
            Some(id) => Expected::Id(id.clone()),
            None => Expected::Path(peer.into()),
        };
        client_config(Some(held), anchors, expected).map_err(io::Error::other)
    }

    fn generation(&self) -> u64 {
        self.security.held.generation()
    }

    fn until(&self) -> SystemTime {
        self.security.held.current().validity.until
    }
}

/// The anchors to begin with, and the file that they came from, watched since before it was read.
async fn first_anchors(source: &AnchorSource) -> Result<(TrustAnchors, Option<(PathBuf, Watched)>), Unavailable> {
    let path = match source {
        AnchorSource::Text(pem) => {
            let read = TrustAnchors::from_pem(pem).map_err(|error| Unavailable(error.to_string()))?;
            return Ok((read, None));
        }
        AnchorSource::File(path) => path,
    };
    let mut watched = watch_files([path.as_path()]).map_err(Unavailable)?;
    while !path.exists() {
        tracing::warn!(target: TARGET, "Trust anchors file '{}' not found, waiting...", path.display());
        watched.changed().await;
    }
    tracing::info!(target: TARGET, "Trust anchors file '{}' found", path.display());
    Ok((read_anchors(path).map_err(Unavailable)?, Some((path.clone(), watched))))
}

fn read_anchors(path: &Path) -> Result<TrustAnchors, String> {
    let failed = |error: &dyn fmt::Display| format!("failed to read trust anchors file '{}': {error}", path.display());
    let pem = std::fs::read(path).map_err(|error| failed(&error))?;
    TrustAnchors::from_pem(&pem).map_err(|error| failed(&error))
}

/// Follows the file of the trust anchors. One that cannot be read changes nothing.
async fn follow(path: PathBuf, mut watched: Watched, anchors: Anchors, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = watched.changed() => {}
            () = shutdown.requested() => return,
        }
        match read_anchors(&path) {
            Ok(read) if read.certificates() == anchors.configured().certificates() => {}
            Ok(read) => {
                tracing::info!(target: TARGET, "Trust anchors file changed, reloading trust anchors");
                anchors.configure(read);
            }
            Err(reason) => tracing::error!(target: TARGET, "{reason}; the trust anchors stay as they are"),
        }
    }
}

/// Asks for credentials.
struct Keeper {
    options: Options,
    observer: Arc<dyn Observer>,
    tasks: Tasks,
    anchors: Anchors,
}

impl Keeper {
    async fn first(&self) -> Result<Credential, Unavailable> {
        let mut failures = 0;
        loop {
            let refusal = match self.ask().await {
                Ok(credential) => return Ok(credential),
                Err(refusal) => refusal,
            };
            failures += 1;
            if refusal.is_final && failures >= FINAL_ANSWERS {
                return Err(Unavailable(format!("failed to retrieve the initial identity: {}", refusal.message)));
            }
            let pause = jittered(pause_after(failures, URGENT_PAUSE));
            tracing::warn!(
                target: TARGET,
                "No identity yet, trying again in {:.1} seconds: {}",
                pause.as_secs_f64(),
                refusal.message
            );
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask(&self) -> Result<Credential, Refusal> {
        match sentry::request(&self.options, &self.anchors, &self.tasks).await {
            Ok(Certified { credential, anchors }) => {
                if let Some(told) = anchors
                    && self.anchors.learn(told)
                {
                    tracing::info!(target: TARGET, "Sentry told of other trust anchors; they count from now on");
                }
                Ok(credential)
            }
            Err(refusal) => {
                self.observer.failed(refusal.label);
                Err(refusal)
            }
        }
    }

    async fn keep(&self, held: &Held) {
        loop {
            let credential = held.current();
            let due = renewal(&credential, SystemTime::now(), chance());
            tracing::info!(
                target: TARGET,
                "Starting workload identity expiry watcher; cert expires in {} seconds, renewal in {} seconds",
                left(credential.validity.until).as_secs(),
                left(due).as_secs()
            );
            tokio::time::sleep(SHORTEST_WAIT).await;
            wait_for(due).await;
            tracing::info!(target: TARGET, "Renewing workload identity");
            held.replace(self.renew(&credential).await);
            self.observer.renewed();
            tracing::info!(target: TARGET, "Successfully renewed workload identity");
        }
    }

    async fn renew(&self, old: &Credential) -> Credential {
        let mut failures = 0;
        loop {
            let refusal = match self.ask().await {
                Ok(credential) => return credential,
                Err(refusal) => refusal,
            };
            failures += 1;
            let life = left(old.validity.until);
            let pause = jittered(pause_after(failures, if life > URGENT { EASY_PAUSE } else { URGENT_PAUSE }));
            let consequence = if life.is_zero() {
                "the certificate has expired, so nobody is called and nobody is let in".to_owned()
            } else {
                format!("the certificate is good for {} more seconds", life.as_secs())
            };
            tracing::error!(
                target: TARGET,
                "Error renewing identity, trying again in {:.1} seconds: {}; {consequence}",
                pause.as_secs_f64(),
                refusal.message
            );
            tokio::time::sleep(pause).await;
        }
    }
}

fn left(until: SystemTime) -> Duration {
    until.duration_since(SystemTime::now()).unwrap_or_default()
}

async fn wait_for(moment: SystemTime) {
    loop {
        let rest = left(moment);
        if rest.is_zero() {
            return;
        }
        tokio::time::sleep(rest.min(LONGEST_WAIT)).await;
    }
}

/// When a credential that was obtained now is renewed: half way to its end, or to that of its token if that is earlier; up to
/// a twentieth of the way before, as chance (0 to 1) has it, so that processes that started together do not ask together.
/// Certificates begin in the past, to allow for clocks that are late: that part is no life.
fn renewal(credential: &Credential, now: SystemTime, chance: f64) -> SystemTime {
    let tokens = credential.jwt.iter().chain(credential.jwts.values()).map(|token| token.until);
    let end = tokens.chain([credential.validity.until]).min().unwrap_or(now);
    now + end.duration_since(now).unwrap_or_default().mul_f64(0.5 - chance / 20.0)
}

fn pause_after(failures: u32, longest: Duration) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u32::MAX));
    doubled.min(longest)
}

/// Between three quarters and five quarters of a pause.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + chance() / 2.0)
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness everybody is in step, which is slow but not wrong.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;

//! Runs every check on every backend as one test each, named `state::redis-cluster::values_come_back_unchanged`. A server
//! is started once, when the first test needs it, and stopped after the last. Called by `tests/conformance.rs`.
//!
//! A server that this machine does not have is a failure where `CI=true`, and one line that starts with `SKIPPED`
//! elsewhere; `cargo xtask test` repeats these lines at its end.

use std::collections::{BTreeMap, HashSet};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::{Builder, Handle};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::configuration::ConfigurationStores;
use crate::crypto::CryptoProviders;
use crate::lock::LockStores;
use crate::pubsub::Brokers;
use crate::secrets::SecretStores;
use crate::state::StateStores;
use crate::{Backend, Capability, Check, Ground, Kind, Starting, Unavailable, backends};

/// How long one check may take. Far more than any needs: it is there to end what hangs.
const LONGEST: Duration = Duration::from_secs(180);

/// How many checks run at once.
const THREADS: usize = 8;

/// The servers of this run, by kind and backend.
type Grounds = Mutex<BTreeMap<String, Arc<OnceCell<Prepared>>>>;

/// What came of preparing a ground. A failure is kept too: it would be the same, and take as long, for every check.
enum Prepared {
    Ready(Arc<dyn Ground>),
    Missing(Unavailable),
    Broken(String),
}

struct Run {
    handle: Handle,
    grounds: Grounds,
    skipped: Mutex<HashSet<String>>,
}

/// Runs the tests that the command line asks for.
///
/// # Panics
/// When the machine gives no threads.
pub fn main() -> ExitCode {
    // Some grounds block a thread while they talk to their server; what is tested must go on meanwhile.
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().expect("a runtime");
    let run = Arc::new(Run { handle: runtime.handle().clone(), grounds: Mutex::default(), skipped: Mutex::default() });
    let mut arguments = Arguments::from_args();
    // Most checks wait for a server or for time to pass.
    arguments.test_threads.get_or_insert(THREADS);
    let conclusion = libtest_mimic::run(&arguments, trials(&run));
    // Servers stop when they are dropped, which a static or an exit would not do.
    runtime.block_on(async { run.grounds.lock().unwrap_or_else(PoisonError::into_inner).clear() });
    conclusion.exit_code()
}

fn trials(run: &Arc<Run>) -> Vec<Trial> {
    let mut trials = trials_of::<StateStores>(run, &backends::state_stores());
    trials.extend(trials_of::<SecretStores>(run, &backends::secret_stores()));
    trials.extend(trials_of::<ConfigurationStores>(run, &backends::configuration_stores()));
    trials.extend(trials_of::<CryptoProviders>(run, &backends::crypto_providers()));
    trials.extend(trials_of::<LockStores>(run, &backends::lock_stores()));
    trials.extend(trials_of::<Brokers>(run, &backends::brokers()));
    trials
}

/// One test for each promise that each backend has to keep.
fn trials_of<K: Kind>(run: &Arc<Run>, backends: &[&'static Backend<K>]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for backend in backends.iter().copied() {
        for check in K::checks().into_iter().filter(|check| check.concerns(backend)) {
            let run = Arc::clone(run);
            let name = format!("{}::{}::{}", K::NAME, backend.name, check.name);
            trials.push(Trial::test(name, move || run.finish(hold(&run, backend, &check))));
        }
    }
    trials
}

async fn hold<K: Kind>(run: &Run, backend: &'static Backend<K>, check: &Check<K>) -> Result<(), Failed> {
    let name = format!("{} {}", K::NAME, backend.name);
    let ground = match check.needs.contains(&Capability::Restart) {
        true => match prepare(backend.start).await {
            Prepared::Ready(ground) => Some(ground),
            Prepared::Missing(reason) => run.without(&name, &reason).map(|()| None)?,
            Prepared::Broken(reason) => return Err(reason.into()),
        },
        false => run.ground(&name, backend.start).await?,
    };
    let Some(ground) = ground else { return Ok(()) };
    let subject = K::open(backend, ground, scope(check.name)).await;
    (check.run)(subject.clone()).await;
    K::close(subject).await;
    Ok(())
}

/// What begins the keys of one check: different for each and for each run.
fn scope(check: &str) -> String {
    format!("{}_{:016x}-", &check[..check.len().min(20)], fastrand::u64(..))
}

async fn prepare(start: fn() -> Starting) -> Prepared {
    let mut alone = JoinSet::new();
    alone.spawn(start());
    match alone.join_next().await {
        Some(Ok(Ok(ground))) => Prepared::Ready(ground),
        Some(Ok(Err(missing))) => Prepared::Missing(missing),
        Some(Err(failure)) => Prepared::Broken(format!("its servers do not start: {failure}")),
        None => Prepared::Broken("its servers do not start".to_owned()),
    }
}

impl Run {
    /// Waits for one test.
    fn finish(&self, test: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
        let limited = async { tokio::time::timeout(LONGEST, test).await };
        match self.handle.block_on(limited) {
            Ok(ended) => ended,
            Err(_) => Err(format!("not at its end after {LONGEST:?}").into()),
        }
    }

    /// The servers of a backend, started at the first call. `None` where the machine has not what they need.
    async fn ground(&self, name: &str, start: fn() -> Starting) -> Result<Option<Arc<dyn Ground>>, Failed> {
        let cell = {
            let mut grounds = self.grounds.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(grounds.entry(name.to_owned()).or_default())
        };
        match cell.get_or_init(|| prepare(start)).await {
            Prepared::Ready(ground) => Ok(Some(Arc::clone(ground))),
            Prepared::Missing(reason) => self.without(name, reason).map(|()| None),
            Prepared::Broken(reason) => Err(reason.into()),
        }
    }

    fn without(&self, name: &str, reason: &Unavailable) -> Result<(), Failed> {
        #[expect(clippy::disallowed_methods, reason = "a test process has no role whose environment it could be given")]
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        if is_ci {
            return Err(format!("{name}: {reason}").into());
        }
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        if skipped.insert(name.to_owned()) {
            eprintln!("SKIPPED conformance of {name}: {reason}");
        }
        Ok(())
    }
}

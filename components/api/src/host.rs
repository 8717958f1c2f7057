//! What a backend is given when it is made: who it works for, a clock, and a place for its background tasks. Filled in
//! by `sidecar`; backends must take these things from here and nowhere else, so that many sidecars live in one process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Cluster, HttpClient, IdentitySource, Variables};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The process a backend lives in, as far as backends need to know it.
#[derive(Debug, Clone)]
pub struct Host {
    /// App id of the sidecar.
    pub app: Arc<str>,
    /// Namespace of the sidecar; empty when none is set.
    pub namespace: Arc<str>,
    /// Time of day.
    pub clock: Clock,
    /// Where background tasks are started.
    pub tasks: Tasks,
    /// Who the app is, where that can be proven: `None` without mTLS.
    pub identity: Option<Arc<dyn IdentitySource>>,
    /// HTTP to servers outside.
    pub http: HttpClient,
    /// The environment variables of the process.
    pub variables: Variables,
    /// The way to a Kubernetes cluster.
    pub cluster: Cluster,
}

impl Host {
    /// A host with the clock of the machine, without identity, HTTP, variables and cluster.
    pub fn new(app: impl Into<Arc<str>>, namespace: impl Into<Arc<str>>, tasks: Tasks) -> Self {
        let (app, namespace) = (app.into(), namespace.into());
        Self {
            app,
            namespace,
            clock: Clock::system(),
            tasks,
            identity: None,
            http: HttpClient::none(),
            variables: Variables::default(),
            cluster: Cluster::none(),
        }
    }
}

/// Time of day, replaceable in tests.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that asks `read`.
    pub fn from_fn(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Now.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// Starts background tasks that belong to the tracker of the process.
#[derive(Clone)]
pub struct Tasks(Arc<dyn Fn(&'static str, Work) + Send + Sync>);

impl Tasks {
    /// Hands every task to `start` with its name.
    pub fn new(start: impl Fn(&'static str, Work) + Send + Sync + 'static) -> Self {
        Self(Arc::new(start))
    }

    /// Starts a task. It must end soon after its backend was closed.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        (self.0)(name, Box::pin(work));
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tasks")
    }
}

//! One loaded component through its generations, and the one way to call it. Used by every block; nothing else may hold
//! a backend, so that policy, spans and metrics have one place to be applied in.

use std::any::Any;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use component::{Backend, CallContext, Error, ErrorKind, Properties};
use tokio::sync::oneshot;

/// What a block made of a component's metadata, once, at admission. Only that block knows its type.
pub type BlockSettings = Arc<dyn Any + Send + Sync>;

/// What a generation of a component was made from.
#[derive(Debug, Clone)]
pub struct Details {
    /// Name of the component.
    pub name: Arc<str>,
    /// Full type as written in the resource.
    pub component_type: Arc<str>,
    /// Version as written in the resource.
    pub version: Arc<str>,
    /// Its metadata, secrets resolved.
    pub properties: Arc<Properties>,
    /// What its block made of that.
    pub settings: Option<BlockSettings>,
}

impl Details {
    /// What the block made of the metadata, if it made this.
    pub fn settings<T: Any>(&self) -> Option<&T> {
        self.settings.as_ref()?.downcast_ref()
    }
}

/// A component by its name: the generation that is in use now, if any.
pub struct Loaded<T: ?Sized> {
    name: Arc<str>,
    current: RwLock<Option<Current<T>>>,
}

struct Current<T: ?Sized> {
    generation: Arc<Generation<T>>,
    /// Resolves when the last holder of the generation lets go of it.
    ended: oneshot::Receiver<()>,
}

struct Generation<T: ?Sized> {
    backend: Arc<T>,
    details: Details,
    /// Dropped with the generation, which `Current::ended` notices.
    _end: oneshot::Sender<()>,
}

/// A generation held for a call. While it exists, its backend is not closed.
pub struct Pinned<T: ?Sized>(Arc<Generation<T>>);

/// A generation that takes no new calls. It must be drained, or its backend is never closed.
#[must_use = "a retired backend is closed by draining it"]
pub struct Retired<T: ?Sized> {
    backend: Arc<T>,
    ended: oneshot::Receiver<()>,
}

impl<T: Backend + ?Sized> Current<T> {
    fn new(details: Details, backend: Arc<T>) -> Self {
        let (end, ended) = oneshot::channel();
        Self { generation: Arc::new(Generation { backend, details, _end: end }), ended }
    }

    fn retire(self) -> Retired<T> {
        Retired { backend: Arc::clone(&self.generation.backend), ended: self.ended }
    }
}

impl<T: Backend + ?Sized> Loaded<T> {
    /// The first generation of a component.
    pub fn new(details: Details, backend: Arc<T>) -> Self {
        Self { name: Arc::clone(&details.name), current: RwLock::new(Some(Current::new(details, backend))) }
    }

    /// Holds the generation in use, for one call or one request.
    ///
    /// # Errors
    /// `Unavailable` once the component is retired.
    pub fn pin(&self) -> Result<Pinned<T>, Error> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let generation = current.as_ref().map(|current| Arc::clone(&current.generation));
        drop(current);
        generation.map(Pinned).ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, format!("component {} is closed", self.name))
                .with_retry(component::Retry::NotProcessed)
        })
    }

    /// Puts a new generation in the place of the old one: calls that start from now on go to the new one. Drain what
    /// comes back to close the old one.
    pub fn replace(&self, details: Details, backend: Arc<T>) -> Option<Retired<T>> {
        self.exchange(Some(Current::new(details, backend)))
    }

    /// Takes the component out of use. Drain what comes back to close it.
    pub fn retire(&self) -> Option<Retired<T>> {
        self.exchange(None)
    }

    fn exchange(&self, next: Option<Current<T>>) -> Option<Retired<T>> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, next);
        drop(current);
        old.map(Current::retire)
    }
}

impl<T: Backend + ?Sized> Retired<T> {
    /// Waits for the last call to end, then closes the backend.
    ///
    /// # Errors
    /// What the backend answers to being closed.
    pub async fn drain(self) -> Result<(), Error> {
        // The sender is only ever dropped, which is the signal.
        let _ = self.ended.await;
        self.backend.close().await
    }
}

impl<T: Backend + ?Sized> Pinned<T> {
    /// What this generation was made from.
    pub fn details(&self) -> &Details {
        &self.0.details
    }

    /// Calls the backend. `work` is given the backend and may be called again, should a policy say so; `operation` is
    /// its name in errors, spans and metrics. Deadline and cancellation of the context are kept here: then `work` is
    /// dropped where it stands.
    ///
    /// # Errors
    /// Those of `work`, or `Timeout` or `Cancelled`.
    pub async fn call<'pin, Output, Failure, Running>(
        &'pin self,
        context: &CallContext,
        operation: &'static str,
        work: impl Fn(&'pin T) -> Running,
    ) -> Result<Output, Failure>
    where
        Failure: From<Error>,
        Running: Future<Output = Result<Output, Failure>>,
    {
        let running = work(&self.0.backend);
        if context.deadline.is_none() && !context.cancel.is_possible() {
            return running.await;
        }
        let cancelled = async {
            match context.cancel.token() {
                Some(cancel) => cancel.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let late = async {
            match context.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let ended = |kind, why| Error::new(kind, format!("{operation} on {} {why}", self.details().name));
        if context.cancel.is_cancelled() {
            return Err(ended(ErrorKind::Cancelled, "was cancelled by its caller").into());
        }
        tokio::select! {
            biased;
            // First, since a backend in memory is done at once: nobody has to be watched then.
            output = running => output,
            () = cancelled => Err(ended(ErrorKind::Cancelled, "was cancelled by its caller").into()),
            () = late => Err(ended(ErrorKind::Timeout, "took longer than its deadline allows").into()),
        }
    }
}

impl<T: Backend + ?Sized> Pinned<T> {
    /// Calls the backend with what can be given only once, such as a body that streams. No policy can repeat it, and it ends
    /// when it is dropped.
    pub async fn call_once<'pin, Output, Running>(&'pin self, work: impl FnOnce(&'pin T) -> Running) -> Output
    where
        Running: Future<Output = Output>,
    {
        work(&self.0.backend).await
    }
}

/// For what needs no call: the abilities of the backend. Requests go through [`Pinned::call`].
impl<T: ?Sized> Deref for Pinned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.backend
    }
}

impl<T: ?Sized> Clone for Pinned<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests;

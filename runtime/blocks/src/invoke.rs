//! Service invocation: who is called, in whose name, and what may be tried again.
//!
//! Called by `front` (calls of our app) and, through `Inbound`, by `mesh` (calls of other sidecars). It decides; `mesh` and
//! `app` carry. A call goes one of three ways: to an endpoint outside the fleet, to our own app, or to another sidecar.

mod access;
mod counted;
mod deadline;
mod forwarded;
mod inbound;
mod outside;
mod proxy;
mod stamp;
mod target;

use std::sync::Arc;
use std::time::Duration;

use app::{Channel, Endpoints};
use call::{Answer, Call, Failure, Payload};
use mesh::{Resolution, Sidecars};
use security::{AccessControl, path};
use telemetry::{Metrics, Tracing};
use tonic::Code;

pub use forwarded::Forwarded;
pub use target::{InvalidTarget, Target};

/// Attempts after the first one, when the target provably was not reached (built-in policy of the target).
const RETRIES: u32 = 3;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Who this sidecar speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The app's id.
    pub app_id: String,
    /// Its namespace; empty when none is set.
    pub namespace: String,
}

/// What service invocation is made of.
pub struct Parts {
    /// Who calls.
    pub identity: Identity,
    /// Which peers may call our app; without a list, all.
    pub access_control: Option<AccessControl>,
    /// Our app, if it has a port.
    pub channel: Option<Channel>,
    /// Servers outside the fleet.
    pub endpoints: Endpoints,
    /// Where other sidecars reach this one, `host:port`.
    pub own_address: String,
    /// Finds other sidecars.
    pub resolution: Resolution,
    /// Reaches other sidecars.
    pub sidecars: Sidecars,
    /// What is said about the way of a call.
    pub forwarded: Forwarded,
    /// Which span a hop passes on.
    pub tracing: Tracing,
    /// Bytes that one message of a proxied gRPC call may have.
    pub max_message: u64,
}

/// The service invocation block. A clone is the same block.
#[derive(Clone)]
pub struct Invoker {
    parts: Arc<Parts>,
    counts: counted::Counts,
}

impl Invoker {
    /// Assembles the block.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), counts: counted::Counts::default() }
    }

    /// Counts every call.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        Self { counts: counted::Counts::new(metrics), ..self }
    }

    /// Our app's channel, if it has a port.
    pub fn channel(&self) -> Option<&Channel> {
        self.parts.channel.as_ref()
    }

    /// The endpoints outside the fleet.
    pub fn endpoints(&self) -> &Endpoints {
        &self.parts.endpoints
    }

    /// Which span a hop passes on.
    pub fn tracing(&self) -> Tracing {
        self.parts.tracing
    }

    /// Invokes a method of `target` for our app: `app`, `app.namespace`, the name of an endpoint or an `http(s)://` URL.
    ///
    /// # Errors
    /// When the method or target is not one, or nobody answers.
    pub async fn invoke(&self, target: &str, call: &mut Call) -> Result<Answer, Failure> {
        if let Some(method) = changed(&call.method)? {
            call.method = method;
        }
        match Target::parse(target, &self.parts.identity.namespace, |name| self.parts.endpoints.contains(name))? {
            Target::Outside(name) => self.outside(name, call).await,
            Target::App { id, namespace } if self.is_own(id, namespace) => self.own(call).await,
            Target::App { id, namespace } => self.other(id, namespace, call).await,
        }
    }

    fn is_own(&self, id: &str, namespace: &str) -> bool {
        id == self.parts.identity.app_id && namespace == self.parts.identity.namespace
    }

    async fn outside(&self, name: &str, call: &mut Call) -> Result<Answer, Failure> {
        stamp::strip(&mut call.metadata);
        let started = self.counts.sent(name);
        let answer = self.parts.endpoints.invoke(name, call).await;
        self.counts.answer(name, started, &answer);
        answer
    }

    async fn own(&self, call: &mut Call) -> Result<Answer, Failure> {
        let Some(channel) = &self.parts.channel else {
            return Err(Failure::plain("cannot invoke local endpoint: app channel not initialized"));
        };
        stamp::strip(&mut call.metadata);
        stamp::caller(&mut call.metadata, &self.parts.identity, &self.parts.identity.app_id);
        channel.invoke(call).await
    }

    async fn other(&self, id: &str, namespace: &str, call: &mut Call) -> Result<Answer, Failure> {
        stamp::strip(&mut call.metadata);
        stamp::caller(&mut call.metadata, &self.parts.identity, id);
        call::set(&mut call.metadata, "destination-app-id", id);
        self.parts.forwarded.add(&mut call.metadata);
        call.stamp_trace();
        let mut attempt = 0;
        loop {
            let failure = match self.attempt(id, namespace, call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !failure.unsent {
                return Err(failure);
            }
            if attempt == RETRIES {
                let message = format!("failed to invoke target {id} after {RETRIES} retries. Error: {failure}");
                return Err(Failure { code: None, message, unsent: true });
            }
            attempt += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Resolvers of one flat space find this very sidecar for its own id in another namespace: that is another app.
    fn refuse_itself(&self, id: &str, namespace: &str, address: &str) -> Result<(), Failure> {
        if address == self.parts.own_address {
            return Err(Failure::plain(format!("couldn't find service: {id} in namespace {namespace}")));
        }
        Ok(())
    }

    /// One attempt. A stream is handed over only to a connection that stands, so that a failure before that loses nothing.
    async fn attempt(&self, id: &str, namespace: &str, call: &mut Call) -> Result<Answer, Failure> {
        let parts = &self.parts;
        let address =
            parts.resolution.lookup(id, namespace).await.map_err(|error| Failure::plain(error.to_string()))?;
        self.refuse_itself(id, namespace, address.as_str())?;
        let answer = match parts.sidecars.reach(&address).await {
            Ok(reached) => {
                let once = matches!(call.payload, Payload::Once(_));
                let started = self.counts.sent(id);
                let answer = parts.sidecars.call(&address, reached, id, call).await;
                self.counts.answer(id, started, &answer);
                answer.map_err(|failure| Failure { unsent: failure.unsent && !once, ..failure })
            }
            Err(failure) => Err(failure),
        };
        if answer.as_ref().is_err_and(|failure| failure.code == Some(Code::Unavailable)) {
            parts.resolution.forget(id, namespace);
        }
        answer
    }
}

/// The one form of a method: what is checked is what is sent.
fn canonical(method: &str) -> Result<String, Failure> {
    Ok(changed(method)?.unwrap_or_else(|| method.to_owned()))
}

/// The one form of a method, where it is another.
fn changed(method: &str) -> Result<Option<String>, Failure> {
    let form = path::normalize(method)
        .map_err(|error| Failure::new(Code::InvalidArgument, format!("invalid method: {error}")))?;
    Ok(if form == method { None } else { Some(form.into_owned()) })
}

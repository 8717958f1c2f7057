//! The port of the hub: who may ask, in which version, and how long a request may be; then the stub. Made by `run`.

use std::sync::Arc;

use http::{Request, Response};
use hubclient::{NEWEST_PROTOCOL, OLDEST_PROTOCOL, PROTOCOL_HEADER};
use service::{Body, ConnectionInfo, Excess, Messages};
use tonic::Status;
use tower_service::Service as _;
use wire::hub::hub_server::HubServer;

use crate::stub::{Parts, Stub};

/// Bytes of a request: many values of ten megabytes.
const MAX_MESSAGE: u64 = 256 << 20;
/// The call that agrees on a version.
const HELLO: &str = "/trilby.hub.v1.Hub/Hello";

/// The service. A clone is the same.
#[derive(Clone)]
pub(crate) struct Server {
    stub: HubServer<Stub>,
    user: u32,
}

impl Server {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        let stub = HubServer::new(Stub(parts)).max_decoding_message_size(usize::MAX);
        Self { stub, user: nix::unistd::geteuid().as_raw() }
    }

    /// Answers one request.
    pub(crate) async fn handle(&self, request: Request<Body>) -> Response<Body> {
        if let Err(refusal) = self.admit(&request) {
            return refusal.into_http();
        }
        let excess = Excess::default();
        let request = request.map(|body| Messages::request(body, MAX_MESSAGE, excess.clone()));
        let answer = self.stub.clone().call(request).await;
        match (excess.status(MAX_MESSAGE), answer) {
            (Some(status), _) => status.into_http(),
            (None, Ok(answer)) => answer.map(service::body::boxed),
            (None, Err(never)) => match never {},
        }
    }

    fn admit(&self, request: &Request<Body>) -> Result<(), Status> {
        let user = request.extensions().get::<ConnectionInfo>().and_then(|info| info.user);
        if user != Some(self.user) {
            let whom = user.map_or_else(|| "an unknown user".to_owned(), |user| format!("user {user}"));
            return Err(Status::permission_denied(format!(
                "this hub belongs to user {}, and the request comes from {whom}: each user has a hub of their own",
                self.user
            )));
        }
        if request.uri().path() == HELLO {
            return Ok(());
        }
        let given = request.headers().get(PROTOCOL_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_known = given.parse::<u32>().is_ok_and(|version| (OLDEST_PROTOCOL..=NEWEST_PROTOCOL).contains(&version));
        if is_known {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "the request says that it speaks protocol \"{given}\"; this hub (version {}) speaks {OLDEST_PROTOCOL} to {NEWEST_PROTOCOL}",
            service::release::OWN_VERSION
        )))
    }
}

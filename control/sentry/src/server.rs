//! The service `dapr.proto.sentry.v1.CA`: a request is validated, its key found, and certificate and tokens signed. Here and
//! nowhere else an answer gets its gRPC status; messages are the target's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use security::{SpiffeId, certificate};
use service::{Body, Excess, Messages};
use tonic::{Code, Status};
use tower_service::Service as _;
use wire::sentry::ca_server::{Ca, CaServer};
use wire::sentry::sign_certificate_request::TokenValidator;
use wire::sentry::{SignCertificateRequest, SignCertificateResponse};

use crate::authority::{Authority, Current, Lifetimes, SignError, Subject};
use crate::metrics::Counts;
use crate::request::{self, Unusable};
use crate::tokens::Tokens;
use crate::validator::{Validated, Validator};

const TARGET: &str = "dapr.sentry.server";
/// Bytes of a request, many times those of an honest one.
const MAX_MESSAGE: u64 = 1 << 20;
/// Audiences of a request: each costs a signature.
const MAX_AUDIENCES: usize = 64;
/// Bytes of an audience.
const MAX_AUDIENCE: usize = 1024;

/// What the service is made of.
pub(crate) struct Parts {
    pub(crate) authority: Authority,
    pub(crate) validators: BTreeMap<i32, Arc<dyn Validator>>,
    /// The validator of requests that name none.
    pub(crate) default: Option<TokenValidator>,
    pub(crate) lifetimes: Lifetimes,
    /// Sentry's own id.
    pub(crate) id: SpiffeId,
    /// How names inside the cluster end.
    pub(crate) cluster_domain: String,
    pub(crate) counts: Counts,
}

/// The service. A clone is the same.
#[derive(Clone)]
pub(crate) struct Server {
    stub: CaServer<Signing>,
}

impl Server {
    pub(crate) fn new(parts: Parts) -> Self {
        let limit = usize::try_from(MAX_MESSAGE).unwrap_or(usize::MAX);
        Self { stub: CaServer::new(Signing(Arc::new(parts))).max_decoding_message_size(limit) }
    }

    /// Answers one request.
    pub(crate) async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let excess = Excess::default();
        let request = request.map(|body| Messages::request(body, MAX_MESSAGE, excess.clone()));
        let answer = self.stub.clone().call(request).await;
        match (excess.status(MAX_MESSAGE), answer) {
            (Some(status), _) => status.into_http(),
            (None, Ok(answer)) => answer.map(service::body::boxed),
            (None, Err(never)) => match never {},
        }
    }
}

struct Signing(Arc<Parts>);

impl Clone for Signing {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[tonic::async_trait]
impl Ca for Signing {
    async fn sign_certificate(
        &self,
        request: tonic::Request<SignCertificateRequest>,
    ) -> Result<tonic::Response<SignCertificateResponse>, Status> {
        let counts = &self.0.counts;
        counts.received.add(1);
        match self.0.sign(request.into_inner()).await {
            Ok(answer) => {
                counts.signed.add(1);
                Ok(tonic::Response::new(answer))
            }
            Err(Refused { status, reason }) => {
                counts.refused(reason);
                Err(status)
            }
        }
    }
}

/// A refusal, and what the metric calls its reason.
struct Refused {
    status: Status,
    reason: &'static str,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self { status, reason: "sign" }
    }
}

impl Parts {
    async fn sign(&self, request: SignCertificateRequest) -> Result<SignCertificateResponse, Refused> {
        let whom = format!("{}/{}", request.namespace, request.id);
        let told = |status: Status| {
            tracing::debug!(target: TARGET, "Refused to sign for {whom}: {}", status.message());
            status
        };
        let validated = self.validate(&request, &whom).await.map_err(told)?;
        let public =
            request::public_key_of_pem(&request.certificate_signing_request).map_err(unusable).map_err(told)?;
        check_audiences(&request.jwt_audiences).map_err(told)?;
        let id = SpiffeId::of(&validated.trust_domain, &request.namespace, &request.id)
            .map_err(|error| told(Status::internal(format!("failed to sign certificate: {error}"))))?;
        // One bundle for all of the answer: certificate, anchors and tokens belong together.
        let (current, now) = (self.authority.current(), SystemTime::now());
        let dns_names = self.dns_names(&request);
        let subject = Subject { id: &id, dns_names: &dns_names, images: &validated.images };
        let signed = current.sign(&subject, &public, self.lifetimes, now).map_err(|error| failed(&error))?;
        let tokens = match &current.tokens {
            Some(tokens) => issue(tokens, &id, &request.jwt_audiences, now).await?,
            None => Issued::default(),
        };
        tracing::debug!(target: TARGET, "Successfully signed certificate for {whom}");
        Ok(SignCertificateResponse {
            workload_certificate: certificate::to_pem(&signed.chain).into_bytes().into(),
            trust_chain_certificates: anchors(&current),
            valid_until: Some(signed.until.into()),
            jwt: tokens.all,
            per_audience_jwts: tokens.each,
        })
    }

    async fn validate(&self, request: &SignCertificateRequest, whom: &str) -> Result<Validated, Status> {
        let named = match request.token_validator {
            0 => self
                .default
                .map(i32::from)
                .ok_or_else(|| Status::invalid_argument("a validator name must be specified in this environment"))?,
            named => named,
        };
        let validator = self.validators.get(&named);
        let validator = validator.ok_or_else(|| Status::invalid_argument("the requested validator is not enabled"))?;
        tracing::debug!(
            target: TARGET,
            "Processing SignCertificate request for {whom} (validator: {})",
            validator.name().to_ascii_uppercase()
        );
        validator.validate(request).await.map_err(|refusal| Status::permission_denied(refusal.0))
    }

    /// Names for whoever calls a service of the control plane and knows no SPIFFE ids: the API server of Kubernetes, and
    /// schedulers among themselves.
    fn dns_names(&self, request: &SignCertificateRequest) -> Vec<String> {
        let namespace = request.namespace.as_str();
        if namespace != self.id.namespace() {
            return Vec::new();
        }
        match request.id.as_str() {
            "dapr-injector" => vec![format!("dapr-sidecar-injector.{namespace}.svc")],
            "dapr-operator" => vec![format!("dapr-webhook.{namespace}.svc")],
            "dapr-scheduler" => (0..3)
                .map(|number| {
                    let host = format!("dapr-scheduler-server-{number}.dapr-scheduler-server");
                    format!("{host}.{namespace}.svc.{}", self.cluster_domain)
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn unusable(reason: Unusable) -> Status {
    Status::invalid_argument(reason.to_string())
}

fn check_audiences(audiences: &[String]) -> Result<(), Status> {
    if audiences.len() > MAX_AUDIENCES {
        let count = audiences.len();
        return Err(Status::invalid_argument(format!(
            "tokens for {count} audiences are asked for, and {MAX_AUDIENCES} are allowed"
        )));
    }
    if audiences.iter().any(|audience| audience.len() > MAX_AUDIENCE) {
        return Err(Status::invalid_argument(format!("an audience has more than {MAX_AUDIENCE} bytes")));
    }
    Ok(())
}

fn failed(error: &SignError) -> Refused {
    match error {
        SignError::Issuer(reason) => {
            tracing::error!(target: TARGET, "Error signing identity: {reason}");
            let text = format!("failed to sign certificate: {reason}; nothing is signed until it is replaced");
            Refused { status: Status::new(Code::FailedPrecondition, text), reason: "issuer_expired" }
        }
        SignError::Failed(reason) => {
            tracing::error!(target: TARGET, "Error signing identity: {reason}");
            Status::internal("failed to sign certificate").into()
        }
    }
}

fn anchors(current: &Current) -> Vec<Bytes> {
    vec![current.issuing.anchors_pem().clone()]
}

/// The tokens of an answer.
#[derive(Default)]
struct Issued {
    all: Option<String>,
    each: HashMap<String, String>,
}

/// One token for every audience together and one for each, the own trust domain always among them.
async fn issue(tokens: &Tokens, id: &SpiffeId, asked: &[String], now: SystemTime) -> Result<Issued, Status> {
    let failed = |reason: String| Status::internal(format!("failed to generate JWT: {reason}"));
    let audiences: Vec<&str> = [id.trust_domain()].into_iter().chain(asked.iter().map(String::as_str)).collect();
    let all = tokens.issue(id, &audiences, now).map_err(failed)?;
    let mut each = HashMap::new();
    for audience in audiences {
        // A signature takes a while; others are served between two.
        tokio::task::yield_now().await;
        if !each.contains_key(audience) {
            each.insert(audience.to_owned(), tokens.issue(id, &[audience], now).map_err(failed)?);
        }
    }
    Ok(Issued { all: Some(all), each })
}

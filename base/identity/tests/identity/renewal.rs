//! Identities from a sentry on a real socket: obtained, renewed, refused.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use identity::{AnchorSource, Held, KeyKind, Observer, Options, Security, TokenSource, obtain};
use security::SpiffeId;
use service::{Host, ServeOptions, ServerTls, Shutdown, Tasks};
use tonic::{Response, Status};
use tower_service::Service as _;
use wire::sentry::ca_server::{Ca, CaServer};
use wire::sentry::{SignCertificateRequest, SignCertificateResponse};

use crate::authority::{Authority, at};

const SENTRY: &str = "spiffe://cluster.local/ns/dapr-system/dapr-sentry";

/// What a test says sentry does.
struct Rules {
    authority: Authority,
    life: AtomicU64,
    refuses: AtomicBool,
    told: Mutex<Option<String>>,
    asked: AtomicUsize,
    last: Mutex<SignCertificateRequest>,
}

#[derive(Clone)]
struct Sentry(Arc<Rules>);

#[tonic::async_trait]
impl Ca for Sentry {
    async fn sign_certificate(
        &self,
        request: tonic::Request<SignCertificateRequest>,
    ) -> Result<Response<SignCertificateResponse>, Status> {
        let rules = &self.0;
        let request = request.into_inner();
        rules.asked.fetch_add(1, Ordering::SeqCst);
        *rules.last.lock().unwrap() = request.clone();
        if rules.refuses.load(Ordering::SeqCst) {
            return Err(Status::permission_denied("you are not who you say"));
        }
        let pem = std::str::from_utf8(&request.certificate_signing_request).unwrap();
        let csr = rcgen::CertificateSigningRequestParams::from_pem(pem).unwrap();
        let end = at(i64::try_from(rules.life.load(Ordering::SeqCst)).unwrap());
        let id = format!("spiffe://public/ns/{}/{}", request.namespace, request.id);
        let leaf = rules.authority.leaf(&id, end, &csr.public_key);
        let told = rules.told.lock().unwrap().clone();
        Ok(Response::new(SignCertificateResponse {
            workload_certificate: leaf.pem().into_bytes().into(),
            trust_chain_certificates: told.into_iter().map(|pem| pem.into_bytes().into()).collect(),
            ..SignCertificateResponse::default()
        }))
    }
}

struct Running {
    rules: Arc<Rules>,
    address: String,
    shutdown: Shutdown,
    tasks: Tasks,
}

impl Running {
    async fn start(port: u16) -> Self {
        Self::of(Authority::new(), SENTRY, port).await
    }

    async fn of(authority: Authority, id: &str, port: u16) -> Self {
        let held = Held::new(authority.credential(id, at(600)));
        let rules = Arc::new(Rules {
            authority,
            life: AtomicU64::new(600),
            refuses: AtomicBool::new(false),
            told: Mutex::new(None),
            asked: AtomicUsize::new(0),
            last: Mutex::default(),
        });
        Self::serve(rules, &held, port).await
    }

    async fn serve(rules: Arc<Rules>, held: &Held, port: u16) -> Self {
        let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
        let host = Host::parse("127.0.0.1").unwrap();
        let listener = service::listen::bind_tcp("a test", &host, port).await.unwrap();
        let address = listener.address().to_string();
        let tls = ServerTls::new(identity::server_config(held, None, &[b"h2"]).unwrap());
        let stub = CaServer::new(Sentry(Arc::clone(&rules)));
        let answer = hyper::service::service_fn(move |request: Request<service::Body>| {
            let mut stub = stub.clone();
            async move { stub.call(request).await.map(|answer| answer.map(service::body::boxed)) }
        });
        let options = ServeOptions { tls: Some(tls), drain: Duration::ZERO, ..ServeOptions::default() };
        tasks.spawn("sentry", service::serve(listener, answer, options, shutdown.clone(), tasks.clone()));
        Self { rules, address, shutdown, tasks }
    }

    fn options(&self) -> Options {
        Options {
            sentry_address: self.address.clone(),
            sentry: SpiffeId::parse(SENTRY).unwrap(),
            name: "orders".to_owned(),
            namespace: "prod".to_owned(),
            trust_domain: None,
            anchors: AnchorSource::Text(self.rules.authority.anchors.to_pem().into_bytes()),
            token: TokenSource::Nothing,
            audiences: Vec::new(),
            key: KeyKind::Ed25519,
        }
    }

    async fn stop(self) {
        self.shutdown.request();
        self.tasks.wait().await;
    }
}

#[derive(Default)]
struct Seen {
    failures: Mutex<Vec<&'static str>>,
    renewals: AtomicUsize,
}

impl Observer for Seen {
    fn obtained(&self) {}

    fn renewed(&self) {
        self.renewals.fetch_add(1, Ordering::SeqCst);
    }

    fn failed(&self, reason: &'static str) {
        self.failures.lock().unwrap().push(reason);
    }
}

async fn obtained(options: Options) -> (Security, Arc<Seen>, Shutdown) {
    let (seen, shutdown) = (Arc::new(Seen::default()), Shutdown::new());
    let security = obtain(options, Arc::clone(&seen) as Arc<dyn Observer>, &Tasks::new(), &shutdown).await.unwrap();
    (security, seen, shutdown)
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come true");
}

#[tokio::test]
async fn an_identity_is_obtained_and_names_what_was_asked_for() {
    let sentry = Running::start(0).await;
    let mut options = sentry.options();
    options.audiences = vec!["vault".to_owned()];
    let (security, ..) = obtained(options).await;
    assert_eq!(security.id().as_str(), "spiffe://public/ns/prod/orders");
    let asked = sentry.rules.last.lock().unwrap().clone();
    assert_eq!((asked.id.as_str(), asked.namespace.as_str(), asked.trust_domain.as_str()), ("orders", "prod", ""));
    assert_eq!(asked.jwt_audiences, ["vault"]);
}

#[tokio::test]
async fn only_the_process_that_proves_to_be_sentry_is_asked() {
    let impostor = Running::of(Authority::new(), "spiffe://cluster.local/ns/default/dapr-sentry", 0).await;
    let options = impostor.options();
    let (seen, shutdown) = (Arc::new(Seen::default()), Shutdown::new());
    let observer = Arc::clone(&seen) as Arc<dyn Observer>;
    let tasks = Tasks::new();
    let wait = obtain(options, observer, &tasks, &shutdown);
    assert!(tokio::time::timeout(Duration::from_secs(2), wait).await.is_err(), "it waits for the right one");
    assert_eq!(impostor.rules.asked.load(Ordering::SeqCst), 0, "nothing was shown to it");
    assert!(seen.failures.lock().unwrap().iter().all(|label| *label == "sentry_conn"));
}

#[tokio::test]
async fn a_process_that_sentry_refuses_for_good_does_not_start() {
    let sentry = Running::start(0).await;
    sentry.rules.refuses.store(true, Ordering::SeqCst);
    let observer = Arc::new(Seen::default());
    let error = obtain(sentry.options(), observer, &Tasks::new(), &Shutdown::new()).await.unwrap_err().to_string();
    assert!(error.contains("you are not who you say"), "{error}");
    assert!(sentry.rules.asked.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn an_identity_is_renewed_at_half_life() {
    let sentry = Running::start(0).await;
    sentry.rules.life.store(1, Ordering::SeqCst);
    let (security, seen, _shutdown) = obtained(sentry.options()).await;
    let first = security.held().current().chain.clone();
    eventually("a renewal", || seen.renewals.load(Ordering::SeqCst) > 1).await;
    assert_ne!(security.held().current().chain, first);
}

#[tokio::test]
async fn new_anchors_are_learned_from_sentry_with_the_certificate() {
    let (sentry, next) = (Running::start(0).await, Authority::new());
    let both = sentry.rules.authority.anchors.with(&next.anchors);
    *sentry.rules.told.lock().unwrap() = Some(both.to_pem());
    let (security, ..) = obtained(sentry.options()).await;
    assert_eq!(security.anchors().current().certificates(), both.certificates());
}

#[tokio::test]
async fn without_sentry_the_rest_of_the_life_is_used_then_nothing_and_it_comes_back_by_itself() {
    let sentry = Running::start(0).await;
    let port = sentry.address.rsplit_once(':').unwrap().1.parse().unwrap();
    sentry.rules.life.store(3, Ordering::SeqCst);
    let (security, seen, _shutdown) = obtained(sentry.options()).await;
    let rules = Arc::clone(&sentry.rules);
    sentry.stop().await;
    assert!(security.held().valid().is_some());
    eventually("the end of the certificate", || security.held().valid().is_none()).await;
    assert!(security.towards_workloads().client("/ns/prod/payments").is_err());
    assert!(!seen.failures.lock().unwrap().is_empty());
    rules.life.store(600, Ordering::SeqCst);
    let held = Held::new(rules.authority.credential(SENTRY, at(600)));
    let _again = Running::serve(rules, &held, port).await;
    let back = std::time::Instant::now();
    eventually("a new certificate", || security.held().valid().is_some()).await;
    assert!(back.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn anchors_in_a_file_are_waited_for_and_followed() {
    let (sentry, next, folder) = (Running::start(0).await, Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    let mut options = sentry.options();
    options.anchors = AnchorSource::File(file.clone());
    let asked = Arc::clone(&sentry.rules);
    let tasks = Tasks::new();
    let obtaining = tasks.spawn("obtaining", async move { obtained(options).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(asked.asked.load(Ordering::SeqCst), 0);
    std::fs::write(&file, asked.authority.anchors.to_pem()).unwrap();
    let (security, _seen, _shutdown) = obtaining.await.unwrap();
    let counting = || security.anchors().current().certificates().len();
    assert_eq!(counting(), 1);
    std::fs::write(&file, asked.authority.anchors.with(&next.anchors).to_pem()).unwrap();
    eventually("the second anchor", || counting() == 2).await;
    for useless in ["garbage", ""] {
        std::fs::write(&file, useless).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(counting(), 2, "what cannot be read changes nothing");
    }
}

#[tokio::test]
async fn a_token_is_read_for_each_request_and_shown_to_sentry_only() {
    let (sentry, folder) = (Running::start(0).await, tempfile::tempdir().unwrap());
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let mut options = sentry.options();
    options.token = TokenSource::File(file.clone());
    sentry.rules.life.store(1, Ordering::SeqCst);
    let (_security, seen, _shutdown) = obtained(options).await;
    assert_eq!(sentry.rules.last.lock().unwrap().token, "first");
    std::fs::write(&file, "second").unwrap();
    eventually("a renewal with the new token", || sentry.rules.last.lock().unwrap().token == "second").await;
    std::fs::write(&file, "").unwrap();
    eventually("a failure", || seen.failures.lock().unwrap().contains(&"sentry_token")).await;
}

#[tokio::test]
async fn unreadable_anchors_are_an_error_at_once() {
    let sentry = Running::start(0).await;
    let mut options = sentry.options();
    options.anchors = AnchorSource::Text(b"no certificate".to_vec());
    let observer = Arc::new(Seen::default());
    let error = obtain(options, observer, &Tasks::new(), &Shutdown::new()).await.unwrap_err().to_string();
    assert!(error.contains("failed to decode trust anchors"), "{error}");
}

//! What sentry signs and what it refuses (SEC-05, SEC-09).

pub mod certificates;

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ED25519, SanType};
use security::certificate;
use testkit::{Asked, Call, Channel, RawHttp1, Sentry};
use tonic::Code;
use wire::sentry::ca_client::CaClient;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use certificates::{Bundle, is_taken};

const TOO_LONG_FOR_AN_APP_ID: usize = 65;

async fn refused(sentry: &Sentry, asked: &Asked) -> (Code, String) {
    let status = sentry.sign(asked).await.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn an_app_gets_a_certificate_with_its_identity() {
    let sentry = Sentry::new().start().await;
    let answer = sentry.sign(&Asked::by("app")).await.unwrap();
    let chain = answer.chain();
    assert_eq!(chain.len(), 2, "the leaf and its issuer, not the root");
    assert!(is_taken(&chain, &sentry.text("ca.crt")));
    let workload = certificate::workload(&chain[0]).unwrap();
    assert_eq!(workload.id.as_str(), "spiffe://public/ns/default/app");
    assert_eq!(answer.anchors(), sentry.text("ca.crt"));
    assert_eq!(answer.response.jwt, None);
    assert!(answer.response.per_audience_jwts.is_empty());
    let until: SystemTime = answer.response.valid_until.unwrap().try_into().unwrap();
    assert_eq!(until, workload.validity.until);
    let life = until.duration_since(SystemTime::now()).unwrap();
    assert!(life > Duration::from_secs(86_390) && life <= Duration::from_secs(86_400), "{life:?}");
    let skew = SystemTime::now().duration_since(workload.validity.from).unwrap();
    assert!(skew >= Duration::from_secs(900) && skew < Duration::from_secs(920), "{skew:?}");
}

#[tokio::test]
async fn lifetimes_and_trust_domains_are_as_asked_and_configured() {
    let sentry = Sentry::new().mtls("{workloadCertTTL: 1h, allowedClockSkew: 10s}").start().await;
    let asked = Asked::by("app").but(|request| {
        request.trust_domain = "cluster.local".to_owned();
        request.namespace = "prod".to_owned();
    });
    let workload = certificate::workload(&sentry.sign(&asked).await.unwrap().chain()[0]).unwrap();
    assert_eq!(workload.id.as_str(), "spiffe://cluster.local/ns/prod/app");
    let whole = workload.validity.until.duration_since(workload.validity.from).unwrap();
    assert_eq!(whole, Duration::from_secs(3610));
}

#[tokio::test]
async fn what_a_signing_request_says_of_itself_is_ignored() {
    let sentry = Sentry::new().start().await;
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(vec!["admin.example.com".to_owned(), "10.0.0.1".to_owned()]).unwrap();
    let forged = "spiffe://public/ns/default/admin";
    params.subject_alt_names.push(SanType::URI(forged.try_into().unwrap()));
    params.distinguished_name.push(DnType::CommonName, "admin");
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let chain = sentry.sign(&Asked::with("app", &request)).await.unwrap().chain();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else { panic!("{:?}", names.value) };
    assert_eq!(*uri, "spiffe://public/ns/default/app");
    assert_eq!(leaf.subject().iter_attributes().count(), 0);
    assert!(!leaf.is_ca());
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && purposes.client_auth && !purposes.code_signing);
    assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), key.public_key_raw());
}

#[tokio::test]
async fn requests_that_no_honest_process_sends_are_refused() {
    let sentry = Sentry::new().start().await;
    let long = Asked::by(&"a".repeat(TOO_LONG_FOR_AN_APP_ID));
    let cases: [(Asked, Code, &str); 9] = [
        (long, Code::PermissionDenied, "app ID must be 64 characters or less"),
        (Asked::by(""), Code::PermissionDenied, "app-id cannot be empty"),
        (Asked::by("a.b"), Code::PermissionDenied, "cannot contain dots"),
        (Asked::by("app").but(|it| it.namespace.clear()), Code::PermissionDenied, "namespace is required"),
        (Asked::with("app", ""), Code::PermissionDenied, "CSR is required"),
        (Asked::with("app", "nothing"), Code::InvalidArgument, "invalid certificate signing request"),
        (Asked::by("app").but(|it| it.trust_domain = "A/B".to_owned()), Code::PermissionDenied, "trust domain"),
        (Asked::by("../admin"), Code::PermissionDenied, "cannot contain dots"),
        (Asked::by("a/b"), Code::Internal, "failed to sign certificate"),
    ];
    for (asked, code, text) in cases {
        let (found, message) = refused(&sentry, &asked).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(text), "{message}");
    }
    assert!(sentry.sign(&Asked::by(&"a".repeat(TOO_LONG_FOR_AN_APP_ID - 1))).await.is_ok());
    let metrics = sentry.metrics().await;
    assert!(metrics.contains("dapr_sentry_cert_sign_request_received_total 10"), "{metrics}");
    assert!(metrics.contains("dapr_sentry_cert_sign_success_total 1"), "{metrics}");
    assert!(metrics.contains("dapr_sentry_cert_sign_failure_total{reason=\"sign\"} 9"), "{metrics}");
}

#[tokio::test]
async fn keys_that_are_too_weak_or_not_there_are_refused() {
    let sentry = Sentry::new().start().await;
    let request = String::from_utf8(Asked::by("app").request.certificate_signing_request.to_vec()).unwrap();
    // Another signature over the same request: whoever sends it does not have the key.
    let lines: Vec<&str> = request.lines().collect();
    let body = lines[lines.len() - 2];
    let changed = if body.starts_with('A') { body.replacen('A', "B", 1) } else { format!("A{}", &body[1..]) };
    let stolen = request.replace(body, &changed);
    for (text, what) in [(stolen.as_str(), "stolen"), (RSA_1024, "RSA of 1024 bits"), (P224, "P-224")] {
        let (code, message) = refused(&sentry, &Asked::with("app", text)).await;
        assert_eq!(code, Code::InvalidArgument, "{what}: {message}");
        assert!(message.contains("invalid signature"), "{what}: {message}");
    }
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused() {
    let sentry = Sentry::new().start().await;
    let padded = |bytes: usize| {
        Asked::by("app").but(|request| {
            let mut text = request.certificate_signing_request.to_vec();
            text.resize(bytes, b'\n');
            request.certificate_signing_request = text.into();
        })
    };
    assert!(sentry.sign(&padded(64 << 10)).await.is_ok());
    let (code, message) = refused(&sentry, &padded((64 << 10) + 1)).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("too large"), "{message}");
    let (code, message) = refused(&sentry, &padded(2 << 20)).await;
    assert_eq!(code, Code::ResourceExhausted, "{message}");
    assert!(sentry.sign(&Asked::by("app")).await.is_ok(), "it lives");
}

#[tokio::test]
async fn validators_that_are_not_enabled_are_refused() {
    let sentry = Sentry::new().start().await;
    for validator in [2, 3, -1, 99] {
        let (code, message) = refused(&sentry, &Asked::by("app").but(|it| it.token_validator = validator)).await;
        assert_eq!((code, message.as_str()), (Code::InvalidArgument, "the requested validator is not enabled"));
    }
    assert!(sentry.sign(&Asked::by("app").but(|it| it.token_validator = 1)).await.is_ok());
}

#[tokio::test]
async fn sentry_proves_who_it_is_and_asks_nobody() {
    let sentry = Sentry::new().variable("NAMESPACE", "system").flag("--trust-domain=cluster.local").start().await;
    let anchors = sentry.text("ca.crt");
    let client = sentry.client_trusting(&anchors, "spiffe://cluster.local/ns/system/dapr-sentry").await;
    client.unwrap().sign_certificate(Asked::by("app").request).await.unwrap();
    let other = sentry.client_trusting(&anchors, "spiffe://cluster.local/ns/system/dapr-operator").await;
    assert!(other.is_err(), "it is sentry and nobody else");
    let foreign = Bundle::ending_in(Duration::from_secs(3600)).anchors;
    let distrusting = sentry.client_trusting(&foreign, "spiffe://cluster.local/ns/system/dapr-sentry").await;
    assert!(distrusting.is_err(), "another root does not vouch for it");
}

#[tokio::test]
async fn without_tls_nobody_is_answered() {
    let sentry = Sentry::new().start().await;
    let answer = RawHttp1::exchange(sentry.port(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
    let plain = async {
        let channel = Channel::connect(sentry.port()).await;
        CaClient::new(channel).sign_certificate(Asked::by("app").request).await
    };
    let answer = tokio::time::timeout(Duration::from_secs(15), plain).await;
    assert!(answer.is_err() || answer.unwrap().is_err());
    assert!(
        !sentry.metrics().await.contains("dapr_sentry_cert_sign_request_received_total"),
        "no request was received"
    );
}

#[tokio::test]
async fn services_of_the_control_plane_get_the_names_that_others_call_them_by() {
    let sentry = Sentry::new().variable("NAMESPACE", "system").flag("--trust-domain=cluster.local").start().await;
    let mut client =
        sentry.client_trusting(&sentry.text("ca.crt"), "spiffe://cluster.local/ns/system/dapr-sentry").await.unwrap();
    let mut names = async |id: &str, namespace: &str| {
        let asked = Asked::by(id).but(|request| request.namespace = namespace.to_owned());
        let answer = client.sign_certificate(asked.request).await.unwrap().into_inner();
        let chain = certificate::from_pem(&answer.workload_certificate).unwrap();
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let names = leaf.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
        let dns = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(dns) => Some((*dns).to_owned()),
            _ => None,
        });
        dns.collect::<Vec<_>>()
    };
    assert_eq!(names("dapr-injector", "system").await, ["dapr-sidecar-injector.system.svc"]);
    assert_eq!(names("dapr-operator", "system").await, ["dapr-webhook.system.svc"]);
    let schedulers: Vec<_> = (0..3)
        .map(|number| format!("dapr-scheduler-server-{number}.dapr-scheduler-server.system.svc.cluster.local"))
        .collect();
    assert_eq!(names("dapr-scheduler", "system").await, schedulers);
    assert!(names("dapr-operator", "default").await.is_empty(), "in another namespace that is anybody");
    assert!(names("app", "system").await.is_empty());
}

#[tokio::test]
async fn nothing_is_signed_once_the_issuer_has_expired() {
    let bundle = Bundle::ending_in(Duration::from_secs(4));
    let sentry = Sentry::new()
        .file("ca.crt", &bundle.anchors)
        .file("issuer.crt", &bundle.chain)
        .file("issuer.key", &bundle.key)
        .start()
        .await;
    let mut client = sentry.client().await;
    let answer = client.sign_certificate(Asked::by("app").request).await.unwrap().into_inner();
    let chain = certificate::from_pem(&answer.workload_certificate).unwrap();
    let (leaf, issuer) = (certificate::validity(&chain[0]).unwrap(), certificate::validity(&chain[1]).unwrap());
    assert_eq!(leaf.until, issuer.until, "no certificate outlives its issuer");
    sentry.logged("certificates are signed until then and not for their whole lifetime").await;
    let left = issuer.until.duration_since(SystemTime::now()).unwrap();
    tokio::time::sleep(left + Duration::from_millis(1100)).await;
    let status = client.sign_certificate(Asked::by("app").request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("has expired at"), "{}", status.message());
    sentry.logged("Error signing identity: the issuer certificate or its root has expired").await;
    let metrics = sentry.metrics().await;
    assert!(metrics.contains("dapr_sentry_cert_sign_failure_total{reason=\"issuer_expired\"} 1"), "{metrics}");
    let anchors = sentry.text("ca.crt");
    let careful = sentry.client_trusting(&anchors, "spiffe://localhost/ns/default/dapr-sentry").await;
    assert!(careful.is_err(), "nor can it prove itself any more");
    assert_eq!(sentry.healthz().await, Some(200), "as the target: a restart would not help");
}

#[tokio::test]
async fn other_methods_do_not_exist() {
    let sentry = Sentry::new().start().await;
    let mut client = sentry.client().await;
    client.sign_certificate(Asked::by("app").request).await.unwrap();
    assert_eq!(Call::to(sentry.port(), "GET", "/healthz").try_send().await.map(|answer| answer.status).ok(), None);
}

/// Made with `openssl req -new -newkey rsa:1024 -nodes -subj /`.
const RSA_1024: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIIBPzCBqQIBADAAMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCyz2g4OhIW
9Bt9dGFP6jccRae+ppyxqLQmzQ46tNFbZ0bIdqEPtQg+95Qx5krDujRyU82NpGTI
AjqdQznA5ZVZcT+vpsI4LF+lYExwCmpvtAcfJQE07eaH1XPdBcfNZ99XszRCX26U
zGy8+1mhch4H8StworfYr6LB8+jFZ8HDnQIDAQABoAAwDQYJKoZIhvcNAQELBQAD
gYEAIoYhiOXGZYPQMT+CCQmQwMFBih2QBBJCJuZID1j0UUAXB8csUsat/xysZtgt
+MXt7vjx7S7KycXBQqnxIia0eH58vEx46WifPflKBFLGwKvYbrwugSEv1ViCUq6D
qJHIDvAacMsD22XNyPfPmAQ6MLpOnk+IQ/Y9wGlRLSSxbkE=
-----END CERTIFICATE REQUEST-----
";

/// Made with `openssl req -new -subj /` and a key of secp224r1.
const P224: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIGnMFcCAQAwADBOMBAGByqGSM49AgEGBSuBBAAhAzoABMyfNBrWeSqP7ySbr8PZ
HkPO43ZyXmIKqZHQvo1J4Hw8YYIL8MJv4AVyz/dnSmvSYqrlxdN96wL8oAAwCgYI
KoZIzj0EAwIDQAAwPQIcB8JlofwVVFCIeNf+kVVohFqccGD+r2Nl+bl3BAIdAMSf
+aYfT+gcC5iIMokT3ny2nfjc0mooipMV3Vk=
-----END CERTIFICATE REQUEST-----
";

//! The folder of sentry's bundle: made, guarded, followed, and never lost.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use testkit::{Asked, Sentry, SentryBuilder};
use tonic::Code;

use crate::sentry::certificates::{Bundle, is_taken};

const HOUR: Duration = Duration::from_secs(3600);

fn with(bundle: &Bundle) -> SentryBuilder {
    Sentry::new().file("ca.crt", &bundle.anchors).file("issuer.crt", &bundle.chain).file("issuer.key", &bundle.key)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come true");
}

#[tokio::test]
async fn the_first_bundle_is_five_files_that_only_the_owner_reads() {
    let sentry = Sentry::new().flag("--jwt-enabled").start().await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(sentry.folder()).unwrap().flatten() {
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{names:?}");
    }
    names.sort();
    assert_eq!(names, ["ca.crt", "issuer.crt", "issuer.key", "jwks.json", "jwt.key"]);
}

#[tokio::test]
async fn a_bundle_stays_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = Sentry::new().folder(folder.path()).start().await;
    let (anchors, issuer) = (first.text("ca.crt"), first.text("issuer.crt"));
    assert_eq!(first.interrupt().await.code, Some(0));
    let second = Sentry::new().folder(folder.path()).flag("--jwt-enabled").start().await;
    assert_eq!((second.text("ca.crt"), second.text("issuer.crt")), (anchors.clone(), issuer));
    assert!(is_taken(&second.sign(&Asked::by("app")).await.unwrap().chain(), &anchors));
}

#[tokio::test]
async fn a_killed_sentry_leaves_a_bundle_or_none() {
    let folder = tempfile::tempdir().unwrap();
    for wait in [0, 1, 2, 5, 10, 20, 40, 80] {
        let launched = Sentry::new().folder(folder.path()).flag("--jwt-enabled").launch();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        launched.kill().await;
    }
    let sentry = Sentry::new().folder(folder.path()).flag("--jwt-enabled").start().await;
    assert!(sentry.sign(&Asked::by("app")).await.is_ok());
}

#[tokio::test]
async fn a_bundle_of_somebody_else_is_used_and_never_replaced() {
    let bundle = Bundle::ending_in(29 * 24 * HOUR);
    let sentry = with(&bundle).start().await;
    let answer = sentry.sign(&Asked::by("app")).await.unwrap();
    assert!(is_taken(&answer.chain(), &bundle.anchors));
    let warning = sentry.logged("sentry has not made it and does not replace it").await;
    assert!(warning.contains("level=warning") && warning.contains("issuer.crt"), "{warning}");
    assert_eq!((sentry.text("ca.crt"), sentry.text("issuer.crt")), (bundle.anchors, bundle.chain));
    let far = with(&Bundle::ending_in(31 * 24 * HOUR)).start().await;
    assert!(far.sign(&Asked::by("app")).await.is_ok());
    assert!(!far.logs().iter().any(|line| line.contains("does not replace it")));
}

#[tokio::test]
async fn a_changed_bundle_is_taken_up_without_an_interruption() {
    let mut sentry = Sentry::new().start().await;
    let mut client = sentry.client().await;
    let new = Bundle::ending_in(HOUR);
    sentry.put("ca.crt", &new.anchors);
    sentry.put("issuer.crt", &new.chain);
    sentry.put("issuer.key", &new.key);
    until("a certificate of the new issuer", async || {
        let answer = client.sign_certificate(Asked::by("app").request).await.unwrap().into_inner();
        let chain = security::certificate::from_pem(&answer.workload_certificate).unwrap();
        let anchors = answer.trust_chain_certificates[0].clone();
        assert!(is_taken(&chain, std::str::from_utf8(&anchors).unwrap()), "every answer fits together");
        anchors == new.anchors.as_bytes()
    })
    .await;
    assert!(sentry.is_running());
    let client = sentry.client_trusting(&new.anchors, "spiffe://localhost/ns/default/dapr-sentry").await;
    assert!(client.is_ok(), "it proves itself with the new one too");
    let metrics = sentry.metrics().await;
    assert!(metrics.contains("dapr_sentry_issuercert_changed_total 2"), "{metrics}");
}

#[tokio::test]
async fn a_broken_bundle_changes_nothing() {
    let mut sentry = Sentry::new().start().await;
    let (anchors, issuer) = (sentry.text("ca.crt"), sentry.text("issuer.crt"));
    let foreign = Bundle::ending_in(HOUR);
    for (name, text, reason) in [
        ("issuer.crt", foreign.chain.as_str(), "issuer chain does not belong to trust anchors"),
        ("issuer.crt", "broken", "failed to decode issuer certificate chain"),
    ] {
        sentry.put(name, text);
        let line = sentry.logged(reason).await;
        assert!(line.contains("level=error") && line.contains("goes on with the one it has"), "{line}");
        assert!(is_taken(&sentry.sign(&Asked::by("app")).await.unwrap().chain(), &anchors));
    }
    std::fs::remove_file(sentry.folder().join("issuer.crt")).unwrap();
    sentry.logged("the bundle has no issuer.crt").await;
    assert!(sentry.sign(&Asked::by("app")).await.is_ok());
    assert!(!sentry.folder().join("issuer.crt").exists(), "what somebody took away is not made anew behind their back");
    sentry.put("issuer.crt", &issuer);
    assert!(sentry.is_running());
}

#[tokio::test]
async fn an_expired_bundle_of_somebody_else_is_refused_at_start_with_its_name_and_date() {
    let bundle = Bundle::ending_in(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let ended = with(&bundle).start_failing().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.contains("has expired at") && ended.output.contains("issuer.crt"), "{}", ended.output);
}

#[tokio::test]
async fn half_a_bundle_is_refused_and_left_alone() {
    let bundle = Bundle::ending_in(HOUR);
    let folder = tempfile::tempdir().unwrap();
    let half = || Sentry::new().folder(folder.path()).file("ca.crt", &bundle.anchors).file("issuer.crt", &bundle.chain);
    let ended = half().start_failing().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.contains("the bundle has no issuer.key"), "{}", ended.output);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn what_a_later_version_wrote_is_refused() {
    let bundle = Bundle::ending_in(HOUR);
    let ended = with(&bundle).file("rotation.json", r#"{"version": 2}"#).start_failing().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.output.contains("has format 2, and this version of Trilby reads 1"), "{}", ended.output);
}

#[tokio::test]
async fn options_that_cannot_be_followed_end_sentry_at_once() {
    let cases: [(&str, i32, &str); 6] = [
        ("--issuer-credential=x", 2, "unknown flag: --issuer-credential"),
        ("--mode=kubernetes", 1, "'NAMESPACE' environment variable not set"),
        ("--issuer-credentials=/nowhere/at/all", 1, "/nowhere/at/all"),
        ("--config=/nowhere/config.yaml", 1, "/nowhere/config.yaml"),
        ("--jwt-issuer=x", 1, "jwt-issuer cannot be set when jwt-enabled is false"),
        ("--healthz-listen-address=203.0.113.1", 1, "--healthz-port"),
    ];
    for (flag, code, text) in cases {
        let ended = Sentry::new().flag(flag).start_failing().await;
        assert_eq!(ended.code, Some(code), "{flag}: {}", ended.output);
        assert!(ended.output.contains(text), "{flag}: {}", ended.output);
    }
}

#[tokio::test]
async fn an_interrupted_sentry_answers_what_it_was_asked_and_ends_well() {
    let sentry = Sentry::new().start().await;
    assert_eq!(sentry.healthz().await, Some(200));
    let mut client = sentry.client().await;
    client.sign_certificate(Asked::by("app").request).await.unwrap();
    let ended = sentry.interrupt().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert!(ended.output.contains("Sentry shut down gracefully"), "{}", ended.output);
    let late = client.sign_certificate(Asked::by("app").request).await.unwrap_err();
    assert_ne!(late.code(), Code::Ok);
}

#[tokio::test]
async fn files_can_have_other_names_and_places() {
    let elsewhere = tempfile::tempdir().unwrap();
    let anchors = elsewhere.path().join("roots.pem");
    let sentry = Sentry::new()
        .flag(format!("--issuer-ca-filename={}", anchors.display()))
        .flag("--issuer-certificate-filename=identity.crt")
        .flag("-issuer-key-filename=identity.key")
        .start()
        .await;
    let text = std::fs::read_to_string(&anchors).unwrap();
    let client = sentry.client_trusting(&text, "spiffe://localhost/ns/default/dapr-sentry").await;
    client.unwrap().sign_certificate(Asked::by("app").request).await.unwrap();
    assert!(sentry.folder().join("identity.key").exists());
}

//! Sentry in a cluster: its bundle in a Secret, its Configuration there, identities of pods. The cluster is a double that knows no
//! discovery, which the target's client libraries need, so these run on our executable only.

use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use security::certificate;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Account, Answered, Asked, KubernetesApi, Sentry, SentryBuilder, is_reference};
use tonic::{Code, Status};
use wire::sentry::sign_certificate_request::TokenValidator;

use crate::sentry::certificates::{Bundle, is_taken};

const SECRETS: &str = "/api/v1/secrets";
const MAPS: &str = "/api/v1/configmaps";
const PODS: &str = "/api/v1/pods";
const CONFIGURATIONS: &str = "/apis/dapr.io/v1alpha1/configurations";
const NAMESPACE: &str = "dapr-system";
const NAME: &str = "dapr-trust-bundle";
const SENTRY: &str = "spiffe://cluster.local/ns/dapr-system/dapr-sentry";
const SKIP_USER: &str = "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK";

struct Cluster {
    api: KubernetesApi,
    folder: TempDir,
}

impl Cluster {
    /// As it is when the control plane has been installed: Secret and ConfigMap are there, and empty.
    async fn installed() -> Self {
        Self::with(KubernetesApi::start().await, &json!({}))
    }

    fn with(api: KubernetesApi, mtls: &Value) -> Self {
        let metadata = |name: &str| json!({"namespace": NAMESPACE, "name": name});
        api.put(SECRETS, json!({"metadata": metadata(NAME)}));
        api.put(MAPS, json!({"metadata": metadata(NAME)}));
        api.put(CONFIGURATIONS, json!({"metadata": metadata("daprsystem"), "spec": {"mtls": mtls}}));
        // The same name elsewhere must not count.
        let other = json!({"mtls": {"workloadCertTTL": "1s"}});
        api.put(CONFIGURATIONS, json!({"metadata": {"namespace": "default", "name": "daprsystem"}, "spec": other}));
        Self { api, folder: tempfile::tempdir().unwrap() }
    }

    /// A sentry in it.
    fn sentry(&self) -> SentryBuilder {
        Sentry::new()
            .flag("--mode=kubernetes")
            .flag(format!("--kubeconfig={}", self.api.kubeconfig(self.folder.path()).display()))
            .flag("--config=daprsystem")
            .flag("--trust-domain=cluster.local")
            .variable("NAMESPACE", NAMESPACE)
            .variable(SKIP_USER, "true")
    }

    /// A pod of an app in the namespace `default`, and its token.
    fn app(&self, app_id: &str) -> String {
        let pod = format!("{app_id}-0");
        self.api.put(
            PODS,
            json!({
                "metadata": {"namespace": "default", "name": pod, "annotations": {"dapr.io/app-id": app_id}},
                "spec": {"serviceAccountName": "default"},
            }),
        );
        let token = json!({"aud": [SENTRY], "kubernetes.io": {"pod": {"name": pod}}}).to_string();
        let username = "system:serviceaccount:default:default".to_owned();
        self.api.know_token(&token, Account { username, audiences: vec![SENTRY.to_owned()], ..Account::default() });
        token
    }

    /// A text of the Secret.
    fn text(&self, name: &str) -> Option<String> {
        let secret = self.api.get(SECRETS, NAMESPACE, NAME).unwrap();
        let text = STANDARD.decode(secret["data"].get(name)?.as_str().unwrap()).unwrap();
        Some(String::from_utf8(text).unwrap())
    }

    /// A text of the ConfigMap.
    fn public(&self, name: &str) -> Option<String> {
        let map = self.api.get(MAPS, NAMESPACE, NAME).unwrap();
        map["data"].get(name).map(|text| text.as_str().unwrap().to_owned())
    }

    async fn sign(&self, sentry: &Sentry, asked: &Asked) -> Result<Answered, Status> {
        let mut client = sentry.client_trusting(&self.text("ca.crt").unwrap(), SENTRY).await.unwrap();
        let response = client.sign_certificate(asked.request.clone()).await?.into_inner();
        Ok(Answered { response })
    }
}

fn with_token(app_id: &str, token: &str) -> Asked {
    Asked::by(app_id).but(|request| request.token = token.to_owned())
}

/// Whether the executable under test is ours.
fn ours() -> bool {
    if is_reference() {
        eprintln!("SKIPPED on the reference: the double of a cluster knows no discovery");
    }
    !is_reference()
}

#[tokio::test]
async fn the_first_bundle_is_kept_in_the_cluster_and_pods_get_identities() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    let token = cluster.app("web");
    let sentry = cluster.sentry().start().await;
    let anchors = cluster.text("ca.crt").unwrap();
    assert_eq!(cluster.public("ca.crt").as_ref(), Some(&anchors));
    assert!(cluster.text("issuer.key").unwrap().contains("PRIVATE KEY"));
    assert_eq!(cluster.public("issuer.key"), None);
    let answer = cluster.sign(&sentry, &with_token("web", &token)).await.unwrap();
    let workload = certificate::workload(&answer.chain()[0]).unwrap();
    assert_eq!(workload.id.as_str(), "spiffe://public/ns/default/web");
    assert!(is_taken(&answer.chain(), &anchors));
    let life = workload.validity.until.duration_since(workload.validity.from).unwrap();
    assert_eq!(life, Duration::from_secs(24 * 3600 + 900), "the Configuration of the own namespace counts");
    let files: Vec<_> = std::fs::read_dir(sentry.folder()).unwrap().collect();
    assert!(files.is_empty(), "nothing is kept on the machine: {files:?}");
    sentry.interrupt().await;
    let again = cluster.sentry().start().await;
    assert_eq!(cluster.text("ca.crt").unwrap(), anchors, "the bundle is used again");
    cluster.sign(&again, &with_token("web", &token)).await.unwrap();
}

#[tokio::test]
async fn nobody_else_gets_the_identity_of_a_pod() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    let (token, _other) = (cluster.app("web"), cluster.app("other"));
    let sentry = cluster.sentry().start().await;
    let foreign = json!({"aud": [SENTRY], "kubernetes.io": {"pod": {"name": "web-0"}}, "sub": "forged"}).to_string();
    let elsewhere = with_token("web", &token).but(|request| request.namespace = "elsewhere".to_owned());
    let insecure = with_token("web", &token).but(|request| request.set_token_validator(TokenValidator::Insecure));
    for (asked, code) in [
        (with_token("other", &token), Code::PermissionDenied),
        (elsewhere, Code::PermissionDenied),
        (with_token("web", &foreign), Code::PermissionDenied),
        (with_token("web", ""), Code::PermissionDenied),
        (insecure, Code::InvalidArgument),
    ] {
        let status = cluster.sign(&sentry, &asked).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
    }
    assert!(cluster.sign(&sentry, &with_token("web", &token)).await.is_ok());
}

#[tokio::test]
async fn a_bundle_of_the_operator_is_used_as_it_is_and_its_anchors_are_published() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    let bundle = Bundle::ending_in(Duration::from_secs(3600 * 48));
    let data = json!({
        "ca.crt": STANDARD.encode(&bundle.anchors), "issuer.crt": STANDARD.encode(&bundle.chain), "issuer.key": STANDARD.encode(&bundle.key),
    });
    cluster.api.put(SECRETS, json!({"metadata": {"namespace": NAMESPACE, "name": NAME}, "data": data}));
    let stale = json!({"metadata": {"namespace": NAMESPACE, "name": NAME}, "data": {"ca.crt": "of another time"}});
    cluster.api.put(MAPS, stale);
    let token = cluster.app("web");
    let sentry = cluster.sentry().start().await;
    let answer = cluster.sign(&sentry, &with_token("web", &token)).await.unwrap();
    assert!(is_taken(&answer.chain(), &bundle.anchors));
    assert_eq!(cluster.public("ca.crt").unwrap().trim(), bundle.anchors.trim());
    assert!(cluster.api.asked("PUT /api/v1/namespaces/dapr-system/secrets").is_empty());
}

#[tokio::test]
async fn half_a_bundle_is_neither_completed_nor_replaced() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    let data = json!({"ca.crt": STANDARD.encode(&Bundle::ending_in(Duration::from_secs(3600)).anchors)});
    cluster.api.put(SECRETS, json!({"metadata": {"namespace": NAMESPACE, "name": NAME}, "data": data}));
    let ended = cluster.sentry().start_failing().await;
    assert!(ended.output.contains("issuer.crt, issuer.key"), "{}", ended.output);
    assert!(cluster.api.asked("PUT").is_empty());
}

#[tokio::test]
async fn keys_of_tokens_are_in_the_secret_and_their_public_side_is_published() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    let token = cluster.app("web");
    let sentry = cluster.sentry().flag("--jwt-enabled").start().await;
    let answer = cluster.sign(&sentry, &with_token("web", &token)).await.unwrap();
    assert!(answer.response.jwt.is_some());
    assert!(cluster.text("jwt.key").unwrap().contains("PRIVATE KEY"));
    assert_eq!(cluster.text("jwks.json"), cluster.public("jwks.json"));
    assert!(cluster.public("jwks.json").is_some() && cluster.public("jwt.key").is_none());
}

#[tokio::test]
async fn a_next_root_is_published_before_anything_is_signed_below_it() {
    if !ours() {
        return;
    }
    let mtls = json!({"workloadCertTTL": "2s", "allowedClockSkew": "1s"});
    let cluster = Cluster::with(KubernetesApi::start().await, &mtls);
    let token = cluster.app("web");
    let quick = ["--ca-ttl=16s", "--rotation-distribute-at=0.3", "--rotation-sign-at=0.7"];
    let sentry = quick.into_iter().fold(cluster.sentry(), SentryBuilder::flag).start().await;
    let first = cluster.public("ca.crt").unwrap();
    let mut seen_both = false;
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(40), "the first root is not retired");
        let public = cluster.public("ca.crt").unwrap();
        seen_both |= public.matches("BEGIN").count() == 2;
        if let Ok(answer) = cluster.sign(&sentry, &with_token("web", &token)).await {
            // Whoever has read the ConfigMap before trusts what is signed after.
            assert!(is_taken(&answer.chain(), &public), "signed below a root that nobody knows");
        }
        if !public.contains(first.trim()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(seen_both, "both roots were public for a while");
}

#[tokio::test]
async fn what_is_missing_in_the_cluster_is_named_at_the_start() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    cluster.api.delete(MAPS, NAMESPACE, NAME);
    let output = cluster.sentry().start_failing().await.output;
    assert!(output.contains("failed to get trust bundle configmap dapr-system/dapr-trust-bundle"), "{output}");
    cluster.api.delete(SECRETS, NAMESPACE, NAME);
    let output = cluster.sentry().start_failing().await.output;
    assert!(output.contains("failed to get trust bundle secret dapr-system/dapr-trust-bundle"), "{output}");
    cluster.api.delete(CONFIGURATIONS, NAMESPACE, "daprsystem");
    let output = cluster.sentry().start_failing().await.output;
    assert!(output.contains("config CRD not found"), "{output}");
    let output = cluster.sentry().variable("NAMESPACE", "").start_failing().await.output;
    assert!(output.contains("'NAMESPACE' environment variable is empty"), "{output}");
}

#[tokio::test]
async fn root_is_refused_unless_it_is_allowed() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    let strict = cluster.sentry().variable(SKIP_USER, "false");
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let output = strict.start_failing().await.output;
        assert!(output.contains("current user UID(0) is root"), "{output}");
        assert!(cluster.api.asked("").is_empty(), "nothing was touched");
    } else {
        strict.start().await.logged("Running in Kubernetes environment as user").await;
    }
    cluster.sentry().start().await.logged("Skipping container UID/GID check").await;
}

#[tokio::test]
async fn a_cluster_that_goes_away_for_a_while_takes_nothing_down() {
    if !ours() {
        return;
    }
    let cluster = Cluster::installed().await;
    let token = cluster.app("web");
    let mut sentry = cluster.sentry().start().await;
    cluster.api.refuse("", "/", 503, 6);
    cluster.api.cut_watches();
    let status = cluster.sign(&sentry, &with_token("web", &token)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let began = Instant::now();
    while cluster.sign(&sentry, &with_token("web", &token)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let late = cluster.app("late");
    assert!(cluster.sign(&sentry, &with_token("late", &late)).await.is_ok());
    assert!(sentry.is_running());
}

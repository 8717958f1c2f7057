//! The validator against an API server on a real socket: whose token is good for which identity (SEC-09), and what happens when
//! watches end.

use std::time::Duration;

use ::kubernetes::Config;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use service::{Environment, Health};
use testkit::{Account, KubernetesApi};

use super::*;

const PODS: &str = "/api/v1/pods";
const CONFIGURATIONS: &str = "/apis/dapr.io/v1alpha1/configurations";
const SENTRY: &str = "spiffe://cluster.local/ns/dapr-system/dapr-sentry";

struct Cluster {
    api: KubernetesApi,
    validator: Kubernetes,
    health: Health,
    shutdown: Shutdown,
    tasks: Tasks,
    _folder: tempfile::TempDir,
}

fn pod(namespace: &str, name: &str, annotations: Value) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-of-{name}"), "annotations": annotations},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "daprd", "image": "daprd:1"}]},
    })
}

fn configuration(namespace: &str, trust_domain: Value) -> Value {
    json!({"metadata": {"namespace": namespace, "name": "mine"}, "spec": {"accessControl": {"trustDomain": trust_domain}}})
}

/// A token of a pod, as it says itself.
fn token(pod: &str, audience: &str) -> String {
    let claims = json!({"aud": [audience], "kubernetes.io": {"pod": {"name": pod, "uid": format!("uid-of-{pod}")}}});
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn account(user: &str, audience: &str) -> Account {
    let (username, audiences) = (format!("system:serviceaccount:{user}"), vec![audience.to_owned()]);
    Account { username, audiences, ..Account::default() }
}

fn request(namespace: &str, id: &str, token: &str) -> SignCertificateRequest {
    SignCertificateRequest {
        id: id.to_owned(),
        namespace: namespace.to_owned(),
        certificate_signing_request: "x".into(),
        token: token.to_owned(),
        // Does not count.
        trust_domain: "asked.for".to_owned(),
        ..SignCertificateRequest::default()
    }
}

impl Cluster {
    /// One whose pod `default/web-0` is the app `web`, with a good token.
    async fn start() -> (Self, String) {
        let cluster = Self::begin(KubernetesApi::start().await).await;
        cluster.api.put(PODS, pod("default", "web-0", json!({"dapr.io/app-id": "web"})));
        let good = token("web-0", SENTRY);
        cluster.api.know_token(&good, account("default:web", SENTRY));
        cluster.ready().await;
        (cluster, good)
    }

    async fn begin(api: KubernetesApi) -> Self {
        let (folder, tasks, shutdown, health) =
            (tempfile::tempdir().unwrap(), Tasks::new(), Shutdown::new(), Health::new());
        let config = Config::find(&Environment::default(), Some(&api.kubeconfig(folder.path()))).await.unwrap();
        let (client, sentry) = (Client::new(config, &tasks), SpiffeId::parse(SENTRY).unwrap());
        let validator = Kubernetes::start(&client, sentry, health.target("validator"), &shutdown, &tasks);
        Self { api, validator, health, shutdown, tasks, _folder: folder }
    }

    async fn ready(&self) {
        for _ in 0..1000 {
            if self.health.is_ready() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the validator is not ready");
    }

    /// The trust domain of an identity, or why there is none.
    async fn asked(&self, namespace: &str, id: &str, token: &str) -> Result<String, String> {
        let validated = self.validator.validate(&request(namespace, id, token)).await;
        validated.map(|validated| validated.trust_domain.as_str().to_owned()).map_err(|refusal| refusal.0)
    }

    /// Asks until it is answered like this.
    async fn becomes(&self, (namespace, id, token): (&str, &str, &str), expected: Result<&str, &str>) {
        let mut last = Err(String::new());
        for _ in 0..500 {
            last = self.asked(namespace, id, token).await;
            let is_it = match (&last, expected) {
                (Ok(found), Ok(expected)) => found == expected,
                (Err(found), Err(expected)) => found.contains(expected),
                _ => false,
            };
            if is_it {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{last:?} instead of {expected:?}");
    }
}

#[tokio::test]
async fn a_pod_gets_the_identity_that_its_annotation_names() {
    let (cluster, good) = Cluster::start().await;
    let validated = cluster.validator.validate(&request("default", "web", &good)).await.unwrap();
    assert_eq!(validated.trust_domain.as_str(), "public");
    assert_eq!(validated.images[0].image, "daprd:1");
    let reviews = cluster.api.requests();
    let review = reviews.iter().find(|seen| seen.method == "POST").unwrap();
    let sent: Value = serde_json::from_slice(&review.body).unwrap();
    assert_eq!(sent["spec"], json!({"token": good, "audiences": ["dapr.io/sentry", SENTRY]}));
    let asked_for_pods = cluster.api.asked("GET /api/v1/namespaces");
    assert!(asked_for_pods.is_empty(), "what is known is not asked for: {asked_for_pods:?}");
}

#[tokio::test]
async fn a_token_of_the_old_audience_still_counts() {
    let (cluster, _) = Cluster::start().await;
    let old = token("web-0", "dapr.io/sentry");
    cluster.api.know_token(&old, account("default:web", "dapr.io/sentry"));
    assert_eq!(cluster.asked("default", "web", &old).await.as_deref(), Ok("public"));
}

#[tokio::test]
async fn tokens_that_are_not_the_pods_own_for_sentry_are_refused() {
    let (cluster, good) = Cluster::start().await;
    cluster.api.put(PODS, pod("default", "other-0", json!({"dapr.io/app-id": "other"})));
    cluster.api.put(PODS, pod("elsewhere", "web-0", json!({"dapr.io/app-id": "web"})));
    let known = |name: &str, token: String, account: Account| {
        cluster.api.know_token(&token, account);
        (name.to_owned(), token)
    };
    let bound = |extra: &str, value: &str| Account {
        extra: vec![(format!("authentication.kubernetes.io/{extra}"), value.to_owned())],
        ..account("default:web", SENTRY)
    };
    let expired = Account { error: Some("token has expired".to_owned()), ..account("default:web", SENTRY) };
    let refused = [
        known("another audience", token("web-0", "vault"), account("default:web", "vault")),
        known("another pod", token("other-0", SENTRY), account("default:web", SENTRY)),
        known("a pod that is not there", token("gone-0", SENTRY), account("default:web", SENTRY)),
        known("another service account", token("web-0", SENTRY) + "0", account("default:other", SENTRY)),
        known("another namespace", token("web-0", SENTRY) + "1", account("elsewhere:web", SENTRY)),
        known("an expired one", token("web-0", SENTRY) + "2", expired),
        known("bound to another pod", token("web-0", SENTRY) + "3", bound("pod-name", "other-0")),
        known("bound to an earlier pod", token("web-0", SENTRY) + "4", bound("pod-uid", "earlier")),
        known(
            "of a person",
            token("web-0", SENTRY) + "5",
            Account { username: "admin".to_owned(), ..account("", SENTRY) },
        ),
        known("without a pod", "e30.e30.c2ln".to_owned(), account("default:web", SENTRY)),
        known("a path", token("../secrets/x", SENTRY), account("default:web", SENTRY)),
        ("an unknown one".to_owned(), token("web-0", SENTRY) + "6"),
        ("none".to_owned(), String::new()),
        ("a huge one".to_owned(), "x".repeat(100_000)),
    ];
    for (what, token) in refused {
        let answer = cluster.asked("default", "web", &token).await;
        assert!(answer.is_err(), "{what}: {answer:?}");
    }
    // The token is good, but not for these.
    for (namespace, id) in [("default", "other"), ("elsewhere", "web"), ("default", "default:web"), ("default", "")] {
        assert!(cluster.asked(namespace, id, &good).await.is_err(), "{namespace}/{id}");
    }
    assert_eq!(cluster.asked("default", "web", &good).await.as_deref(), Ok("public"));
    let elsewhere = cluster.api.asked("GET /api/v1/namespaces/default/secrets");
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[tokio::test]
async fn a_server_that_knows_no_audiences_does_not_open_the_door_to_others() {
    let (cluster, good) = Cluster::start().await;
    cluster.api.hide_audiences();
    assert_eq!(cluster.asked("default", "web", &good).await.as_deref(), Ok("public"));
    let other = token("web-0", "vault");
    cluster.api.know_token(&other, account("default:web", "vault"));
    assert!(cluster.asked("default", "web", &other).await.unwrap_err().contains("another audience"));
}

#[tokio::test]
async fn a_name_longer_than_a_certificate_once_held_is_refused_before_anybody_is_asked() {
    let (cluster, good) = Cluster::start().await;
    for id in ["a".repeat(65), format!("{}:{}", "n".repeat(253), "s".repeat(253))] {
        let reason = cluster.asked("default", &id, &good).await.unwrap_err();
        assert!(reason.contains("app ID must be 64 characters or less"), "{reason}");
    }
    assert!(cluster.api.asked("POST").is_empty());
    let long = "a".repeat(64);
    cluster.api.put(PODS, pod("default", "long-0", json!({"dapr.io/app-id": long})));
    let token = token("long-0", SENTRY);
    cluster.api.know_token(&token, account("default:web", SENTRY));
    assert_eq!(cluster.asked("default", &long, &token).await.as_deref(), Ok("public"));
}

#[tokio::test]
async fn the_configuration_that_a_pod_names_says_the_trust_domain() {
    let (cluster, _) = Cluster::start().await;
    cluster.api.put(CONFIGURATIONS, configuration("elsewhere", json!("stolen.domain")));
    cluster.api.put(PODS, pod("default", "app-0", json!({"dapr.io/app-id": "app", "dapr.io/config": "mine"})));
    let token = token("app-0", SENTRY);
    cluster.api.know_token(&token, account("default:web", SENTRY));
    let asked = ("default", "app", token.as_str());
    cluster.becomes(asked, Err("failed to get configuration")).await;
    cluster.api.put(CONFIGURATIONS, configuration("default", json!("my.domain")));
    cluster.becomes(asked, Ok("my.domain")).await;
    cluster.api.put(CONFIGURATIONS, configuration("default", json!("NOT A DOMAIN")));
    cluster.becomes(asked, Err("failed to parse trust domain")).await;
    cluster.api.put(CONFIGURATIONS, configuration("default", json!(7)));
    cluster.becomes(asked, Err("failed to get configuration")).await;
    cluster.api.put(CONFIGURATIONS, configuration("default", json!("")));
    cluster.becomes(asked, Ok("public")).await;
    cluster.api.delete(CONFIGURATIONS, "default", "mine");
    cluster.becomes(asked, Err("failed to get configuration")).await;
}

#[tokio::test]
async fn services_of_the_control_plane_are_in_the_trust_domain_of_sentry() {
    let (cluster, _) = Cluster::start().await;
    for namespace in ["dapr-system", "default"] {
        cluster.api.put(PODS, pod(namespace, "operator-0", json!({"dapr.io/control-plane": "operator"})));
        let token = token("operator-0", SENTRY) + namespace;
        cluster.api.know_token(&token, account(&format!("{namespace}:web"), SENTRY));
        let answer = cluster.asked(namespace, "dapr-operator", &token).await;
        match namespace {
            "default" => assert!(answer.unwrap_err().contains("is not allowed")),
            _ => assert_eq!(answer.as_deref(), Ok("cluster.local")),
        }
    }
}

#[tokio::test]
async fn a_pod_that_is_newer_than_the_watch_is_asked_for() {
    let (cluster, _) = Cluster::start().await;
    // Nothing is followed any more.
    cluster.api.refuse("GET", PODS, 503, 1000);
    cluster.api.cut_watches();
    tokio::time::sleep(Duration::from_millis(200)).await;
    cluster.api.put(PODS, pod("default", "new-0", json!({"dapr.io/app-id": "new"})));
    let new = token("new-0", SENTRY);
    cluster.api.know_token(&new, account("default:web", SENTRY));
    assert_eq!(cluster.asked("default", "new", &new).await.as_deref(), Ok("public"));
    assert_eq!(cluster.api.asked("GET /api/v1/namespaces/default/pods/new-0").len(), 1);
    // And one that has taken the place of another of its name.
    let mut replaced = pod("default", "web-0", json!({"dapr.io/app-id": "another"}));
    replaced["metadata"]["uid"] = json!("uid-of-the-next");
    cluster.api.put(PODS, replaced);
    let claims = json!({"aud": [SENTRY], "kubernetes.io": {"pod": {"name": "web-0", "uid": "uid-of-the-next"}}});
    let next = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    cluster.api.know_token(&next, account("default:web", SENTRY));
    assert_eq!(cluster.asked("default", "another", &next).await.as_deref(), Ok("public"));
    assert!(cluster.asked("default", "web", &next).await.unwrap_err().contains("app-id mismatch"));
}

#[tokio::test]
async fn what_changes_while_watches_are_cut_or_too_old_is_seen() {
    let (cluster, good) = Cluster::start().await;
    cluster.api.cut_watches();
    cluster.api.put(PODS, pod("default", "web-0", json!({"dapr.io/app-id": "second"})));
    cluster.becomes(("default", "second", &good), Ok("public")).await;
    cluster.api.forget_history();
    cluster.api.end_watches();
    cluster.api.put(PODS, pod("default", "web-0", json!({"dapr.io/app-id": "third"})));
    cluster.becomes(("default", "third", &good), Ok("public")).await;
    cluster.api.expire_watches();
    cluster.api.put(PODS, pod("default", "web-0", json!({"dapr.io/app-id": "fourth"})));
    cluster.becomes(("default", "fourth", &good), Ok("public")).await;
    assert!(cluster.asked("default", "web", &good).await.unwrap_err().contains("app-id mismatch"));
    cluster.api.delete(PODS, "default", "web-0");
    cluster.becomes(("default", "fourth", &good), Err("failed to get pod of identity")).await;
}

#[tokio::test]
async fn nobody_is_let_in_before_all_is_known() {
    let api = KubernetesApi::start().await;
    api.refuse("GET", CONFIGURATIONS, 403, 2);
    let cluster = Cluster::begin(api).await;
    cluster.api.put(PODS, pod("default", "web-0", json!({"dapr.io/app-id": "web"})));
    let good = token("web-0", SENTRY);
    cluster.api.know_token(&good, account("default:web", SENTRY));
    assert_eq!(cluster.asked("default", "web", &good).await, Err("validator not ready".to_owned()));
    assert!(!cluster.health.is_ready());
    cluster.ready().await;
    assert_eq!(cluster.asked("default", "web", &good).await.as_deref(), Ok("public"));
}

#[tokio::test]
async fn a_review_that_cannot_be_had_is_a_refusal() {
    let (cluster, good) = Cluster::start().await;
    cluster.api.refuse("POST", "/apis/authentication.k8s.io", 500, 1);
    let reason = cluster.asked("default", "web", &good).await.unwrap_err();
    assert_eq!(reason, "token review failed: refused on purpose");
    assert_eq!(cluster.asked("default", "web", &good).await.as_deref(), Ok("public"));
}

#[tokio::test]
async fn a_stop_ends_all_of_it() {
    let (cluster, _) = Cluster::start().await;
    let Cluster { validator, health, shutdown, tasks, api: _api, _folder } = cluster;
    drop(validator);
    shutdown.request();
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.expect("nothing is left");
    assert!(!health.is_ready());
}

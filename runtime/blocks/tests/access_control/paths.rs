//! One string is checked and sent: no spelling of a path gets past a policy. The vectors are those of the attacks of 2021
//! (Cure53 DAP-02-013) and 2026 (CVE-2026-41491).

use proptest::prelude::*;
use prost::Message as _;
use security::path;
use tonic::Code;

use crate::sidecar::{Outcome, Sidecar, WAYS, Way, head, list, operation, peer};

const VECTORS: [&str; 57] = [
    "public",
    "/public",
    "public/",
    "public//",
    "//public",
    "public/.",
    "./public",
    "../public",
    "../../public",
    "/../public",
    "public/deeper",
    "PUBLIC",
    "admin/../public",
    "admin/../../public",
    "admin%2F..%2Fpublic",
    "admin%2F..%2F..%2Fpublic",
    "admin%2Fsecret/../public",
    "public%2F..%2Fadmin",
    "public%2F..%2Fneworder",
    "public/../neworder",
    "public#/../neworder",
    "public?/../neworder",
    "public%/../neworder",
    "public%23/../neworder",
    "public%3F/../neworder",
    "public/sub%23/../../neworder",
    "public;../../neworder",
    "public;evil",
    "public%",
    "public%2",
    "public\0/../neworder",
    "public\r/../neworder",
    "neworder",
    "/neworder",
    "neworder/",
    "//neworder",
    "neworder//",
    "neworder/.",
    "neworder/x",
    "neworder/../neworder",
    "../neworder",
    "x/../neworder",
    "neworde%72",
    "neworde%2572",
    "neworder%2F",
    "newOrdeR",
    "NEWORDER",
    "neworder?",
    "neworder?x=1",
    "neworder#x",
    "neworder\0",
    "neworder\n",
    "neworder\t",
    "neworder\u{1}",
    "neworder\u{7f}",
    "admin\\..\\neworder",
    "/admin\u{ff0f}..\u{ff0f}neworder",
];

/// The two policies of these tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// `/public` is allowed and everything else denied.
    OnlyPublic,
    /// `/neworder` is denied and everything else allowed.
    AllButNeworder,
}

impl Rule {
    /// What the policy says of a canonical method, told without the code under test: the first segment decides.
    fn allows(self, canonical: &str, http: bool) -> bool {
        let first = canonical.trim_start_matches('/').split('/').next().unwrap();
        let is = |name: &str| first == name || http && first.to_lowercase() == name;
        match self {
            Self::OnlyPublic => is("public"),
            Self::AllButNeworder => !is("neworder"),
        }
    }

    async fn sidecar(self, http: bool) -> Sidecar {
        let list = match self {
            Self::OnlyPublic => list("deny", "deny", vec![operation("/public", "allow")]),
            Self::AllButNeworder => list("deny", "allow", vec![operation("/neworder", "deny")]),
        };
        if http { Sidecar::of_http_app(&list).await } else { Sidecar::of_grpc_app(&list).await }
    }
}

/// Holds what came of a call against the rule. `before` is how many requests the app had seen.
fn assert_kept(sidecar: &Sidecar, before: usize, (method, http): (&str, bool), rule: Rule, came: &Outcome) {
    let seen = sidecar.seen().split_off(before);
    let Ok(canonical) = path::normalize(method) else {
        assert_eq!(came.0, Code::InvalidArgument, "{method:?}: {came:?}");
        assert!(seen.is_empty(), "{method:?} reached the app as {seen:?}");
        return;
    };
    if rule.allows(&canonical, http) {
        // Nothing may be sent, where a URL cannot carry it; what is sent is what was checked.
        let sent = |seen: &String| seen.trim_start_matches('/') == canonical.trim_start_matches('/');
        assert!(seen.len() <= 1 && seen.iter().all(sent), "{method:?} reached the app as {seen:?}");
        assert_ne!(came.0, Code::PermissionDenied, "{method:?}: {came:?}");
    } else {
        let verb = if http { "POST" } else { "NONE" };
        let message = format!(
            "access control policy has denied access to id: spiffe://public/ns/shop/caller operation: {canonical} verb: {verb}"
        );
        assert_eq!(*came, (Code::PermissionDenied, message), "{method:?}");
        assert!(seen.is_empty(), "{method:?} reached the app as {seen:?}");
    }
}

/// A proxied request has a path; what a caller can put into one is a method with a slash before it, without a fragment: the
/// library cuts that off before anybody sees it.
fn as_sent(way: Way, method: &str) -> String {
    match way {
        Way::Proxy if method.starts_with('/') => method.split('#').next().unwrap().to_owned(),
        Way::Proxy => format!("/{}", method.split('#').next().unwrap()),
        _ => method.to_owned(),
    }
}

async fn try_all(http: bool, ways: &[Way]) {
    for rule in [Rule::OnlyPublic, Rule::AllButNeworder] {
        let sidecar = rule.sidecar(http).await;
        for way in ways {
            let mut carried = 0;
            for method in VECTORS {
                let before = sidecar.seen().len();
                let Some(came) = sidecar.call(*way, &peer("shop", "caller"), method).await else { continue };
                carried += 1;
                assert_kept(&sidecar, before, (&as_sent(*way, method), http), rule, &came);
            }
            assert!(carried > 45, "{way:?} carried {carried}");
        }
        assert!(sidecar.seen().len() > 20, "calls that are allowed reach the app: {:?}", sidecar.seen());
    }
}

#[tokio::test]
async fn no_spelling_gets_past_a_policy_of_an_http_app() {
    try_all(true, &[Way::CallLocal, Way::CallLocalStream]).await;
}

#[tokio::test]
async fn no_spelling_gets_past_a_policy_of_a_grpc_app() {
    try_all(false, &WAYS).await;
}

#[tokio::test]
async fn overlong_utf8_is_refused_on_every_way() {
    for http in [true, false] {
        let sidecar = Rule::AllButNeworder.sidecar(http).await;
        for way in [Way::CallLocal, Way::CallLocalStream] {
            let mut message = head("xx..xxneworder", &[("x-any", "thing")]).encode_to_vec();
            let at = message.windows(4).position(|bytes| bytes == b"xx..").unwrap();
            message[at..at + 2].copy_from_slice(b"\xc0\xaf");
            message[at + 4..at + 6].copy_from_slice(b"\xc0\xaf");
            let (code, text) = sidecar.send(way, &peer("shop", "caller"), message).await;
            assert_ne!(code, Code::Ok, "{way:?}: {text}");
        }
        assert!(sidecar.seen().is_empty(), "{:?}", sidecar.seen());
    }
    assert!(
        http::Uri::try_from(b"/x\xc0\xaf..\xc0\xafneworder".as_slice()).is_err(),
        "no path of a request has such bytes"
    );
}

/// The proxy of the target takes calls to the services that a sidecar calls on its own app, and with them any method.
#[tokio::test]
async fn no_method_is_called_behind_the_back_of_a_policy() {
    let sidecar = Rule::AllButNeworder.sidecar(false).await;
    for name in ["AppCallback/OnInvoke", "AppCallback/OnTopicEvent", "AppCallbackAlpha/OnJobEventAlpha1"] {
        let path = format!("/dapr.proto.runtime.v1.{name}");
        let (code, _) = sidecar.call(Way::Proxy, &peer("shop", "caller"), &path).await.unwrap();
        assert_eq!(code, Code::PermissionDenied, "{path}");
    }
    assert!(sidecar.app.everything().is_empty());
    let allowed = sidecar.call(Way::Proxy, &peer("shop", "caller"), "/testkit.Notes/One").await.unwrap();
    assert_ne!(allowed.0, Code::PermissionDenied, "{allowed:?}");
    assert_eq!(sidecar.seen(), ["/testkit.Notes/One"]);
}

/// The target checks a call without headers as one without a verb, and sends it with its verb.
#[tokio::test]
async fn the_verb_that_is_sent_is_the_one_that_is_checked() {
    let sidecar = Rule::AllButNeworder.sidecar(true).await;
    let (code, _) = sidecar.call_with(Way::CallLocal, &peer("shop", "caller"), "neworder", &[]).await.unwrap();
    assert_eq!(code, Code::PermissionDenied);
    assert!(sidecar.seen().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_checked_is_what_is_sent(
        methods in proptest::collection::vec("(neworder|public|NewOrder|[a-z/.%#?;\\\\ \u{1}-\u{3}\u{7e}-\u{81}]){0,6}(/(neworder|\\.\\.|%2e%2e|\\.)){0,3}", 24),
        http in any::<bool>(),
        public in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rule = if public { Rule::OnlyPublic } else { Rule::AllButNeworder };
            let sidecar = rule.sidecar(http).await;
            for (at, method) in methods.iter().enumerate() {
                let way = if http { WAYS[at % 2] } else { WAYS[at % 3] };
                let before = sidecar.seen().len();
                let Some(came) = sidecar.call(way, &peer("shop", "caller"), method).await else { continue };
                assert_kept(&sidecar, before, (&as_sent(way, method), http), rule, &came);
            }
        });
    }
}

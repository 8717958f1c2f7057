//! Whose calls a policy is about: one app of one namespace that proved who it is.

use security::Peer;
use tonic::Code;

use crate::sidecar::{Sidecar, WAYS, Way, list, operation, peer};

/// SEC-06: the same app id elsewhere, namespaces that begin alike, and ids that the target's keys could mix up.
#[tokio::test]
async fn a_policy_is_for_one_app_of_one_namespace() {
    let sidecar = Sidecar::of_grpc_app(&list("deny", "allow", Vec::new())).await;
    let strangers = [("dev", "caller"), ("sho", "caller"), ("shop2", "caller"), ("shop", "call"), ("caller", "shop")];
    for way in WAYS {
        for (namespace, app) in strangers {
            let (code, message) = sidecar.call(way, &peer(namespace, app), "/x.Y/Z").await.unwrap();
            assert_eq!(code, Code::PermissionDenied, "{way:?} {namespace} {app}: {message}");
            assert!(
                message.contains(&format!("id: spiffe://public/ns/{namespace}/{app} operation: /x.Y/Z verb: NONE"))
            );
        }
    }
    assert!(sidecar.seen().is_empty());
    for way in WAYS {
        let (code, message) = sidecar.call(way, &peer("shop", "caller"), "/x.Y/Z").await.unwrap();
        assert_ne!(code, Code::PermissionDenied, "{way:?}: {message}");
    }
    assert_eq!(sidecar.seen(), ["/x.Y/Z"; 3]);
}

#[tokio::test]
async fn what_a_peer_says_of_itself_is_no_evidence() {
    let claims = [("dapr-caller-app-id", "caller"), ("dapr-caller-namespace", "shop")];
    let sidecar = Sidecar::of_grpc_app(&list("deny", "allow", Vec::new())).await;
    for way in WAYS {
        for who in [peer("dev", "caller"), peer("shop", "other"), Peer::Unauthenticated] {
            let (code, _) = sidecar.call_with(way, &who, "/x.Y/Z", &claims).await.unwrap();
            assert_eq!(code, Code::PermissionDenied, "{way:?} {who:?}");
        }
    }
    assert!(sidecar.seen().is_empty());
}

#[tokio::test]
async fn a_peer_without_proof_gets_the_default_action() {
    let denies = Sidecar::of_http_app(&list("deny", "allow", Vec::new())).await;
    let allows = Sidecar::of_http_app(&list("allow", "deny", Vec::new())).await;
    for way in [Way::CallLocal, Way::CallLocalStream] {
        let denied = denies.call(way, &Peer::Unauthenticated, "x").await.unwrap();
        let message = "access control policy has denied access to id:  operation: x verb: POST".to_owned();
        assert_eq!(denied, (Code::PermissionDenied, message));
        assert_eq!(allows.call(way, &Peer::Unauthenticated, "x").await.unwrap().0, Code::Ok);
    }
    assert!(denies.seen().is_empty());
    assert_eq!(allows.seen(), ["/x", "/x"]);
}

#[tokio::test]
async fn verbs_and_letter_case_count_as_the_app_speaks() {
    let mut post_only = operation("/Orders", "allow");
    post_only.http_verb = vec!["GET".to_owned()];
    let spec = list("deny", "deny", vec![post_only]);
    let caller = peer("shop", "caller");
    let http = Sidecar::of_http_app(&spec).await;
    assert_eq!(http.call(Way::CallLocal, &caller, "orders").await.unwrap().0, Code::PermissionDenied, "a POST");
    let grpc = Sidecar::of_grpc_app(&spec).await;
    assert_eq!(grpc.call(Way::CallLocal, &caller, "Orders").await.unwrap().0, Code::Ok);
    assert_eq!(grpc.call(Way::CallLocal, &caller, "orders").await.unwrap().0, Code::PermissionDenied);
    assert!(http.seen().is_empty());
    assert_eq!(grpc.seen(), ["Orders"]);
}

/// An app that calls itself does not pass the list; one that calls itself through the proxy does, as in the target, and
/// proves nothing there.
#[tokio::test]
async fn calls_of_the_own_app_are_held_as_the_target_holds_them() {
    let sidecar = Sidecar::of_grpc_app(&list("deny", "allow", Vec::new())).await;
    let head = prost::Message::encode_to_vec(&crate::sidecar::head("x", &[("x-any", "thing")]));
    let mut call = <call::CallHead as prost::Message>::decode(&*head).unwrap().into_call(None).unwrap();
    sidecar.invoker.invoke("callee", &mut call).await.unwrap();
    assert_eq!(sidecar.seen(), ["x"]);
    let request = http::Request::builder().uri("/x.Y/Z").header("dapr-app-id", "callee");
    let mut request = request.body(service::body::empty()).unwrap();
    request.extensions_mut().insert(peer("shop", "caller"));
    let response = sidecar.invoker.proxy(request).await;
    assert_eq!(response.headers()["grpc-status"], "7");
    assert_eq!(sidecar.seen(), ["x"]);
}

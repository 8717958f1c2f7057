//! Who calls is told to the app after the certificate (SEC-04), whatever the peer wrote.

use resources::AccessControlSpec;
use security::Peer;
use testkit::Recorded;

use crate::sidecar::{Sidecar, WAYS, Way, peer};

const CLAIMS: [(&str, &str); 10] = [
    ("dapr-caller-app-id", "evil"),
    ("Dapr-Caller-App-Id", "evil"),
    ("DAPR-CALLER-APP-ID", "evil"),
    ("dapr-caller-namespace", "evil"),
    ("Dapr-Caller-Namespace", "evil"),
    ("dapr-callee-app-id", "callee"),
    ("destination-app-id", "evil"),
    ("x-dapr-remote", "evil"),
    ("dapr-api-token", "evil"),
    ("dapr-api-call", "evil"),
];

async fn seen_by_the_app(way: Way, who: &Peer, said: &[(&str, &str)]) -> Recorded {
    let nothing = AccessControlSpec::default();
    let sidecar =
        if way == Way::Proxy { Sidecar::of_grpc_app(&nothing).await } else { Sidecar::of_http_app(&nothing).await };
    sidecar.call_with(way, who, "/x.Y/Z", said).await.unwrap();
    sidecar.app.only("/x.Y/Z")
}

#[tokio::test]
async fn a_proven_caller_is_named_after_its_certificate() {
    for way in WAYS {
        for said in [&CLAIMS[..], &[]] {
            let seen = seen_by_the_app(way, &peer("prod", "checkout"), said).await;
            assert_eq!(seen.values("dapr-caller-app-id"), ["checkout"], "{way:?}");
            assert_eq!(seen.values("dapr-caller-namespace"), ["prod"], "{way:?}");
            assert!(!seen.everything().contains("evil"), "{way:?}: {}", seen.everything());
        }
    }
}

/// The header names of a proxied request are lower case on the wire; the other ways carry the case.
#[tokio::test]
async fn the_stamp_of_a_peer_without_proof_is_passed_on_as_information() {
    let stamp = [
        ("dapr-caller-app-id", "checkout"),
        ("dapr-caller-namespace", "prod"),
        ("dapr-callee-app-id", "callee"),
        ("x-dapr-remote", "evil"),
    ];
    for way in WAYS {
        let seen = seen_by_the_app(way, &Peer::Unauthenticated, &stamp).await;
        assert_eq!(seen.values("dapr-caller-app-id"), ["checkout"], "{way:?}");
        assert_eq!(seen.values("dapr-caller-namespace"), ["prod"], "{way:?}");
        assert_eq!(seen.values("dapr-callee-app-id"), ["callee"], "{way:?}");
        assert!(!seen.everything().contains("evil"), "{way:?}: {}", seen.everything());
    }
}

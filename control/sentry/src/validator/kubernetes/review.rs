//! Whose token it is: the API server says which service account's and that it counts, and the token itself which pod it is bound
//! to. The token is read only after the API server has accepted it; what both say has to agree.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kubernetes::{Client, Resource};
use security::SpiffeId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;

/// The audience of tokens before sidecars named sentry's id; the target still accepts it.
const LEGACY_AUDIENCE: &str = "dapr.io/sentry";
/// Bytes of a token; those of real clusters have a twentieth.
const MAX_TOKEN: usize = 64 << 10;
/// What the API server says of the pod that a token is bound to.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Whose token it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reviewed {
    pub(super) namespace: String,
    pub(super) account: String,
    pub(super) bound: Bound,
}

/// The pod that a token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Bound {
    pub(super) name: String,
    /// Empty when the token does not say it.
    pub(super) uid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenReview {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    error: String,
    audiences: Option<Vec<String>>,
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    extra: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<OfKubernetes>,
    aud: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OfKubernetes {
    pod: Option<Bound>,
}

/// Asks the API server.
pub(super) async fn review(client: &Client, token: &str, sentry: &SpiffeId) -> Result<Reviewed, Refusal> {
    let refused = |reason: &str| Refusal(reason.to_owned());
    if token.is_empty() {
        return Err(refused("the request does not contain a token"));
    }
    if token.len() > MAX_TOKEN {
        return Err(Refusal(format!("the token has more than {MAX_TOKEN} bytes")));
    }
    let audiences = [LEGACY_AUDIENCE, sentry.as_str()];
    let question = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": audiences},
    });
    let answer = client.create::<TokenReview>(Resource::TOKEN_REVIEWS, None, &question).await;
    let status = answer.map_err(|error| Refusal(format!("token review failed: {error}")))?.status;
    judge(status, token, &audiences)
}

fn judge(status: Status, token: &str, audiences: &[&str]) -> Result<Reviewed, Refusal> {
    let refused = |reason: &str| Err(Refusal(reason.to_owned()));
    if !status.error.is_empty() {
        return Err(Refusal(format!("invalid token: {}", status.error)));
    }
    if !status.authenticated {
        return refused("authentication failed");
    }
    // A server that knows of no audiences says none, and has checked none.
    let is_ours = |audience: &String| audiences.contains(&audience.as_str());
    if status.audiences.is_some_and(|good| !good.is_empty() && !good.iter().any(is_ours)) {
        return refused("the token is for another audience");
    }
    let parts: Vec<&str> = status.user.username.split(':').collect();
    let ["system", "serviceaccount", namespace, account] = parts.as_slice() else {
        return refused("provided token is not a properly structured service account token");
    };
    let claims = claims(token)?;
    if !is_for(&claims.aud, audiences) {
        return refused("the token is for another audience");
    }
    let bound = claims.kubernetes.and_then(|of| of.pod).filter(|pod| !pod.name.is_empty());
    let Some(bound) = bound else {
        return refused("kubernetes.io/pod/name claim is missing from Kubernetes token");
    };
    let extra = status.user.extra.unwrap_or_default();
    let agrees = |name: &str, claimed: &str| {
        extra.get(name).is_none_or(|said| said.is_empty() || said.iter().any(|said| said == claimed))
    };
    if !agrees(POD_NAME, &bound.name) || (!bound.uid.is_empty() && !agrees(POD_UID, &bound.uid)) {
        return refused("the token is bound to another pod");
    }
    Ok(Reviewed { namespace: (*namespace).to_owned(), account: (*account).to_owned(), bound })
}

/// What a token says, which the API server has accepted as it is. Its second part is JSON in base64; a token that is JSON itself
/// is read too, as the target does.
fn claims(token: &str) -> Result<Claims, Refusal> {
    let failed = |reason: &str| Refusal(format!("failed to parse Kubernetes token: {reason}"));
    let json = if token.trim_start().starts_with('{') {
        token.as_bytes().to_vec()
    } else {
        let payload = token.split('.').nth(1).ok_or_else(|| failed("it is no JSON web token"))?;
        URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|error| failed(&error.to_string()))?
    };
    serde_json::from_slice(&json).map_err(|error| failed(&error.to_string()))
}

/// Whether a token that names audiences names one of these.
fn is_for(claim: &Value, audiences: &[&str]) -> bool {
    match claim {
        Value::Null => true,
        Value::String(one) => audiences.contains(&one.as_str()),
        Value::Array(several) => several.iter().filter_map(Value::as_str).any(|one| audiences.contains(&one)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AUDIENCES: [&str; 2] = [LEGACY_AUDIENCE, "spiffe://cluster.local/ns/dapr-system/dapr-sentry"];

    fn token(claims: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn good_claims() -> Value {
        json!({"aud": [AUDIENCES[1]], "kubernetes.io": {"pod": {"name": "web-0", "uid": "7"}}})
    }

    fn good_status() -> Value {
        json!({
            "authenticated": true,
            "audiences": [AUDIENCES[1]],
            "user": {
                "username": "system:serviceaccount:default:web",
                "extra": {POD_NAME: ["web-0"], POD_UID: ["7"]},
            },
        })
    }

    fn judged(status: Value, token: &str) -> Result<Reviewed, String> {
        judge(serde_json::from_value(status).unwrap(), token, &AUDIENCES).map_err(|refusal| refusal.0)
    }

    /// A status with one value replaced.
    fn with(pointer: &str, value: Value) -> Value {
        let mut status = good_status();
        *status.pointer_mut(pointer).unwrap() = value;
        status
    }

    #[test]
    fn a_token_for_sentry_bound_to_a_pod_is_good() {
        let expected = Reviewed {
            namespace: "default".to_owned(),
            account: "web".to_owned(),
            bound: Bound { name: "web-0".to_owned(), uid: "7".to_owned() },
        };
        assert_eq!(judged(good_status(), &token(&good_claims())).as_ref(), Ok(&expected));
        let mut old = good_claims();
        old["aud"] = json!("dapr.io/sentry");
        assert_eq!(judged(with("/audiences", json!(["dapr.io/sentry"])), &token(&old)).as_ref(), Ok(&expected));
        // Servers that know of no audiences and of no bound pods.
        assert_eq!(judged(with("/audiences", json!(null)), &token(&good_claims())).as_ref(), Ok(&expected));
        assert_eq!(judged(with("/user/extra", json!(null)), &token(&good_claims())).as_ref(), Ok(&expected));
    }

    #[test]
    fn a_token_that_is_plain_json_is_read() {
        let json = r#"{"kubernetes.io":{"pod":{"name":"mypod"}}}"#;
        let reviewed = judged(with("/user/extra", json!(null)), json).unwrap();
        assert_eq!(reviewed.bound, Bound { name: "mypod".to_owned(), uid: String::new() });
    }

    #[test]
    fn what_the_server_does_not_accept_is_refused() {
        let token = token(&good_claims());
        assert_eq!(judged(with("/authenticated", json!(false)), &token).unwrap_err(), "authentication failed");
        assert_eq!(judged(json!({}), &token).unwrap_err(), "authentication failed");
        let error = json!({"authenticated": true, "error": "token has expired"});
        assert_eq!(judged(error, &token).unwrap_err(), "invalid token: token has expired");
    }

    #[test]
    fn a_token_for_another_audience_is_refused_whoever_says_so() {
        let other = judged(with("/audiences", json!(["other"])), &token(&good_claims()));
        assert_eq!(other.unwrap_err(), "the token is for another audience");
        for audience in [json!("other"), json!(["other"]), json!([]), json!(7), json!({"a": 1})] {
            let mut claims = good_claims();
            claims["aud"] = audience;
            let judged = judged(with("/audiences", json!([])), &token(&claims));
            assert_eq!(judged.unwrap_err(), "the token is for another audience");
        }
    }

    #[test]
    fn a_token_of_another_pod_than_it_says_is_refused() {
        let token = token(&good_claims());
        for (name, value) in [("pod-name", "other"), ("pod-uid", "8")] {
            let pointer = format!("/user/extra/authentication.kubernetes.io~1{name}");
            assert_eq!(
                judged(with(&pointer, json!([value])), &token).unwrap_err(),
                "the token is bound to another pod"
            );
        }
    }

    #[test]
    fn a_token_of_no_service_account_or_no_pod_is_refused() {
        let token_of_account = token(&good_claims());
        for user in [
            "admin",
            "system:node:a",
            "system:serviceaccount:default",
            "system:other:default:web",
            "system:serviceaccount:a:b:c",
        ] {
            let error = judged(with("/user/username", json!(user)), &token_of_account).unwrap_err();
            assert!(error.contains("not a properly structured service account token"), "{error}");
        }
        for claims in [json!({}), json!({"kubernetes.io": {}}), json!({"kubernetes.io": {"pod": {"name": ""}}})] {
            let error = judged(with("/user/extra", json!(null)), &token(&claims)).unwrap_err();
            assert_eq!(error, "kubernetes.io/pod/name claim is missing from Kubernetes token");
        }
        assert!(judged(good_status(), "opaque").unwrap_err().contains("failed to parse Kubernetes token"));
        assert!(judged(good_status(), "a.%%%.c").unwrap_err().contains("failed to parse Kubernetes token"));
    }

    proptest! {
        #[test]
        fn any_token_is_read_or_refused(token in ".{0,80}") {
            let _ = judged(good_status(), &token);
        }
    }
}

//! The lock API over both doors, on a real Redis.

use serde_json::json;
use servers::Redis;
use testkit::Sidecar;
use tonic::Code;
use wire::runtime::unlock_response::Status;
use wire::runtime::{TryLockRequest, UnlockRequest};

async fn locks(redis: &Redis, id: &str) -> Sidecar {
    let component = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: locks\nspec:\n  type: lock.redis\n  version: v1\n  \
         metadata:\n  - name: redisHost\n    value: {}\n",
        redis.address()
    );
    Sidecar::named(id).resource(&component).start().await
}

#[tokio::test]
async fn a_lock_is_one_whatever_door_it_is_taken_through() {
    let Some(redis) = Redis::alone().start() else { return };
    let a = locks(&redis, "a").await;
    let body = |owner: &str| json!({ "resourceId": "r", "lockOwner": owner, "expiryInSeconds": 60 });
    let lock = async |owner: &str| a.post("/v1.0-alpha1/lock/locks").json(&body(owner)).send().await.text();
    let unlock = async |owner: &str| a.post("/v1.0-alpha1/unlock/locks").json(&body(owner)).send().await.text();
    assert_eq!(lock("me").await, "{\"success\":true}");
    assert_eq!(lock("me").await, "{\"success\":false}");
    let mut dapr = a.dapr().await;
    let wish = |owner: &str| TryLockRequest {
        store_name: "locks".to_owned(),
        resource_id: "r".to_owned(),
        lock_owner: owner.to_owned(),
        expiry_in_seconds: 60,
    };
    assert!(!dapr.try_lock_alpha1(wish("you")).await.unwrap().into_inner().success);
    assert_eq!(unlock("you").await, "{\"status\":2}");
    assert_eq!(unlock("me").await, "{\"status\":0}");
    assert_eq!(unlock("me").await, "{\"status\":1}");
    assert!(dapr.try_lock_alpha1(wish("you")).await.unwrap().into_inner().success);
    let key = redis.command(&["KEYS", "*"]).unwrap();
    assert!(key.contains(&format!("lock||{}||r", a.id())), "{key}");
    let held =
        UnlockRequest { store_name: "locks".to_owned(), resource_id: "r".to_owned(), lock_owner: "you".to_owned() };
    assert_eq!(dapr.unlock_alpha1(held).await.unwrap().into_inner().status(), Status::Success);
}

#[tokio::test]
async fn a_lock_of_another_app_is_another_lock_and_an_old_one_ends() {
    let Some(redis) = Redis::alone().start() else { return };
    let (a, b) = tokio::join!(locks(&redis, "a"), locks(&redis, "b"));
    let body = json!({ "resourceId": "r", "lockOwner": "me", "expiryInSeconds": 1 });
    for sidecar in [&a, &b] {
        assert_eq!(sidecar.post("/v1.0-alpha1/lock/locks").json(&body).send().await.text(), "{\"success\":true}");
    }
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if a.post("/v1.0-alpha1/lock/locks").json(&body).send().await.text() == "{\"success\":true}" {
            return;
        }
    }
    panic!("it is still held");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_at_both_doors() {
    let Some(redis) = Redis::alone().start() else { return };
    let a = locks(&redis, "a").await;
    for (body, code) in [
        (json!({ "lockOwner": "me", "expiryInSeconds": 60 }), "ERR_MALFORMED_REQUEST"),
        (json!({ "resourceId": "r", "expiryInSeconds": 60 }), "ERR_MALFORMED_REQUEST"),
        (json!({ "resourceId": "r", "lockOwner": "me" }), "ERR_MALFORMED_REQUEST"),
        (json!({ "resourceId": "r", "lockOwner": "me", "expiryInSeconds": -1 }), "ERR_MALFORMED_REQUEST"),
        (json!({ "resourceId": "r", "lockOwner": "me", "expiryInSeconds": 1e12 }), "ERR_MALFORMED_REQUEST"),
        (json!([]), "ERR_MALFORMED_REQUEST"),
    ] {
        let refused = a.post("/v1.0-alpha1/lock/locks").json(&body).send().await;
        assert_eq!((refused.status, refused.error_code().as_str()), (400, code), "{body}");
    }
    let separated = json!({ "resourceId": "other||r", "lockOwner": "me", "expiryInSeconds": 60 });
    let refused = a.post("/v1.0-alpha1/lock/locks").json(&separated).send().await;
    assert_eq!((refused.status, refused.error_code().as_str()), (500, "ERR_TRY_LOCK"));
    assert_eq!(redis.command(&["DBSIZE"]).unwrap().trim().trim_start_matches(':'), "0");
    let nowhere = TryLockRequest {
        store_name: "nowhere".to_owned(),
        resource_id: "r".to_owned(),
        lock_owner: "me".to_owned(),
        expiry_in_seconds: 1,
    };
    assert_eq!(a.dapr().await.try_lock_alpha1(nowhere).await.unwrap_err().code(), Code::InvalidArgument);
    let b = Sidecar::named("b").start().await;
    let none = b.post("/v1.0-alpha1/lock/locks").json(&separated).send().await;
    assert_eq!((none.status, none.error_code().as_str()), (500, "ERR_LOCK_STORE_NOT_CONFIGURED"));
}

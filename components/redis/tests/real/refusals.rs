//! What is refused, and in which words: settings, certificates, users without rights.

use component::ErrorKind;
use servers::{Redis, RedisSentinels};

use crate::making::{set, state};

async fn refusal(properties: &[(&str, &str)]) -> (ErrorKind, String) {
    let error = state(properties).await.err().expect("it is refused");
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let Some(redis) = Redis::alone().tls(false).start() else { return };
    let address = redis.address();
    let (kind, text) = refusal(&[("redisHost", &address), ("enableTLS", "true"), ("redisMaxRetries", "-1")]).await;
    assert_eq!(kind, ErrorKind::Unavailable, "{text}");
    assert!(text.to_lowercase().contains("certificate"), "{text}");
    let insecure = [("redisHost", &*address), ("enableTLS", "true"), ("insecureSkipTLSVerify", "true")];
    set(&*state(&insecure).await.unwrap(), "a", "1").await.unwrap();
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it_or_refuses() {
    let Some(redis) = Redis::alone().tls(true).start() else { return };
    let (address, tls) = (redis.address(), redis.tls().unwrap());
    let without =
        [("redisHost", &*address), ("enableTLS", "true"), ("insecureSkipTLSVerify", "true"), ("redisMaxRetries", "-1")];
    assert_eq!(refusal(&without).await.0, ErrorKind::Unavailable);
    let with: Vec<_> = without
        .into_iter()
        .chain([("clientCert", &*tls.client_certificate), ("clientKey", &*tls.client_key)])
        .collect();
    set(&*state(&with).await.unwrap(), "a", "1").await.unwrap();
    let spoiled: Vec<_> = without.into_iter().chain([("clientCert", "no PEM"), ("clientKey", "no key")]).collect();
    let (_, text) = refusal(&spoiled).await;
    assert!(!text.contains("no key"), "{text}");
}

#[tokio::test]
async fn a_wrong_login_is_told_and_not_shown() {
    let Some(redis) = Redis::alone().user("alice", "secret").start() else { return };
    let address = redis.address();
    for properties in [
        vec![("redisHost", &*address)],
        vec![("redisHost", &*address), ("redisPassword", "sesame")],
        vec![("redisHost", &*address), ("redisUsername", "alice"), ("redisPassword", "sesame")],
    ] {
        let (kind, text) = refusal(&properties).await;
        assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
        assert!(!text.contains("sesame"), "{text}");
    }
    redis.command(&["ACL", "SETUSER", "reader", "on", ">r", "~*", "+@read", "+@connection", "+info"]).unwrap();
    let properties = [("redisHost", &*address), ("redisUsername", "reader"), ("redisPassword", "r")];
    let error = set(&*state(&properties).await.unwrap(), "a", "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[tokio::test]
async fn sentinels_that_know_no_such_master_are_told() {
    let Some(set_of_servers) = RedisSentinels::start() else { return };
    let sentinels = set_of_servers.addresses().join(",");
    let properties = [("redisHost", &*sentinels), ("failover", "true"), ("sentinelMasterName", "nobody")];
    let (kind, text) = refusal(&properties).await;
    assert_eq!(kind, ErrorKind::Unavailable, "{text}");
    assert!(text.contains("know no master of that name"), "{text}");
}

#[tokio::test]
async fn queries_are_refused_where_they_are_set_up() {
    let properties = [("redisHost", "127.0.0.1:1"), ("queryIndexes", r#"[{"name":"a","indexes":[]}]"#)];
    let (kind, text) = refusal(&properties).await;
    assert_eq!(kind, ErrorKind::NotSupported);
    assert!(text.contains("queryIndexes"), "{text}");
}

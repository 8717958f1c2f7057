//! What is refused, and in which words: settings, certificates, users without rights.

use component::ErrorKind;
use component::configuration::Request;
use component::state::{DeleteRequest, KeysRequest};
use servers::{Redis, RedisSentinels};

use crate::making::{configuration, context, get, set, state};

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

/// The authorities of the machine count; which those are is said by a variable, so the test runs itself with it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test tells itself through its environment where the server is")]
async fn a_certificate_of_an_authority_of_the_machine_is_accepted() {
    const SERVER: &str = "TRILBY_TEST_REDIS_TLS";
    if let Ok(address) = std::env::var(SERVER) {
        set(&*state(&[("redisHost", &address), ("enableTLS", "true")]).await.unwrap(), "a", "trusted").await.unwrap();
        return;
    }
    let Some(redis) = Redis::alone().tls(false).start() else { return };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, redis.tls().unwrap().authority.as_bytes()).unwrap();
    let name = "refusals::a_certificate_of_an_authority_of_the_machine_is_accepted";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name]).env("SSL_CERT_FILE", file.path()).env(SERVER, redis.address());
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(redis.command(&["HGET", "a", "data"]).unwrap(), "trusted");
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

/// What the target's component needs, and not one command more.
#[tokio::test]
async fn a_user_who_suits_the_target_suits_us() {
    let Some(redis) = Redis::alone().start() else { return };
    let allowed = "+ping +info +wait +scan +hgetall +get +eval +hget +hset +hincrby +del +expire +persist";
    let words = ["ACL", "SETUSER", "bound", "on", ">b", "~*"].into_iter().chain(allowed.split(' '));
    redis.command(&words.collect::<Vec<_>>()).unwrap();
    let address = redis.address();
    let properties =
        [("redisHost", &*address), ("redisUsername", "bound"), ("redisPassword", "b"), ("ttlInSeconds", "9")];
    let store = state(&properties).await.unwrap();
    set(&*store, "a", "1").await.unwrap();
    redis.command(&["LPUSH", "list", "1"]).unwrap();
    set(&*store, "list", "1").await.unwrap();
    assert_eq!(get(&*store, "list").await.unwrap(), Some(("1".to_owned(), "1".to_owned())));
    let page = KeysRequest { pattern: "%".to_owned(), ..KeysRequest::default() };
    let page = store.key_listing().unwrap().keys_like(&context(), &page).await.unwrap();
    assert_eq!(page.keys, ["a", "list"]);
    store.delete(&context(), &DeleteRequest { key: "a".to_owned(), ..DeleteRequest::default() }).await.unwrap();
    // A refusal within the script is none of the key's.
    redis.command(&["ACL", "SETUSER", "bound", "-hget"]).unwrap();
    let error = set(&*store, "list", "2").await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::EtagMismatch, "{error}");
    assert_eq!(redis.command(&["HGET", "list", "data"]).unwrap(), "1");
}

#[tokio::test]
async fn the_database_with_the_number_is_used() {
    let Some(redis) = Redis::alone().start() else { return };
    let address = redis.address();
    let properties = [("redisHost", &*address), ("redisDB", "3")];
    set(&*state(&properties).await.unwrap(), "a", "1").await.unwrap();
    assert!(redis.command(&["INFO", "keyspace"]).unwrap().contains("db3:keys=1"));
    let request = Request { keys: vec!["c".to_owned()], ..Request::default() };
    let mut changes = configuration(&properties).await.unwrap().subscribe(&context(), &request).await.unwrap();
    redis.command(&["SET", "c", "in 0"]).unwrap();
    redis.command(&["COPY", "c", "c", "DB", "3"]).unwrap();
    assert_eq!(changes.recv().await.unwrap()["c"].value, "in 0");
    let (_, text) = refusal(&[("redisHost", &address), ("redisDB", "99")]).await;
    assert!(text.contains("out of range"), "{text}");
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

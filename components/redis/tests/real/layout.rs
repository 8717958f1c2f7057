//! The target's layout, both ways. Recorded from its sidecar (dapr/dapr at d8450742, components-contrib 1.18.4, Redis 7.0):
//! `POST /v1.0/state/s` with the requests told below, then `HGETALL` and `TTL` of each key with redis-cli.

use component::state::{Concurrency, DeleteRequest, Operation, SetRequest, Transaction};
use component::{ErrorKind, Metadata};
use servers::Redis;

use crate::making::{context, get, set, state, write};

/// Key, how long it lives at most (-1 for ever), and the fields of its hash in order.
type Recorded = (&'static str, i64, &'static [&'static str]);

const RECORDED: &[Recorded] = &[
    // "hi", then "again"
    ("app||plain", -1, &["data", "\"again\"", "version", "2"]),
    // {"b":1,"a":[1,null]}
    ("app||object", -1, &["data", "{\"b\":1,\"a\":[1,null]}", "version", "1"]),
    // 1 with first-write, then 4 with ETag 1
    ("app||first", -1, &["data", "4", "first-write", "0", "version", "2"]),
    // 1 with ttlInSeconds 100
    ("app||short", 100, &["data", "1", "version", "1"]),
    // 1 with ttlInSeconds 100, then 2 with ttlInSeconds -1
    ("app||kept", -1, &["data", "2", "version", "2"]),
    // 1 with ttlInSeconds 100, then 2 without: the end stays
    ("app||left", 100, &["data", "2", "version", "2"]),
    // {"x":1} with contentType application/json, on a server without RedisJSON
    ("app||json", -1, &["data", "{\"x\":1}", "version", "1"]),
    // in a transaction: "a" with first-write, "b" with ttlInSeconds 100
    ("app||t1", -1, &["data", "\"a\"", "version", "1"]),
    ("app||t2", 100, &["data", "\"b\"", "version", "1"]),
    // ttlInSeconds 500 in the component: 1, and 1 with ttlInSeconds -1
    ("enc||usual", 500, &["data", "1", "version", "1"]),
    ("enc||ever", -1, &["data", "1", "version", "1"]),
];

fn with(mut request: SetRequest, name: &str, value: &str) -> SetRequest {
    request.metadata = Metadata::from([(name.to_owned(), value.to_owned())]);
    request
}

fn first_write(mut request: SetRequest) -> SetRequest {
    request.options.concurrency = Concurrency::FirstWrite;
    request
}

#[tokio::test]
async fn what_is_written_lies_as_the_target_puts_it() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = state(&[("redisHost", &redis.address())]).await.unwrap();
    let usual = state(&[("redisHost", &redis.address()), ("ttlInSeconds", "500")]).await.unwrap();
    let writes = [
        write("app||plain", "\"hi\""),
        write("app||plain", "\"again\""),
        write("app||object", "{\"b\":1,\"a\":[1,null]}"),
        first_write(write("app||first", "1")),
        SetRequest { etag: Some("1".to_owned()), ..write("app||first", "4") },
        with(write("app||short", "1"), "ttlInSeconds", "100"),
        with(write("app||kept", "1"), "ttlInSeconds", "100"),
        with(write("app||kept", "2"), "ttlInSeconds", "-1"),
        with(write("app||left", "1"), "ttlInSeconds", "100"),
        write("app||left", "2"),
        with(write("app||json", "{\"x\":1}"), "contentType", "application/json"),
    ];
    for request in &writes {
        store.set(&context(), request).await.unwrap();
    }
    let operations = vec![
        Operation::Upsert(first_write(write("app||t1", "\"a\""))),
        Operation::Upsert(with(write("app||t2", "\"b\""), "ttlInSeconds", "100")),
    ];
    let transaction = Transaction { operations, metadata: Metadata::new() };
    store.transactional().unwrap().transact(&context(), &transaction).await.unwrap();
    set(&*usual, "enc||usual", "1").await.unwrap();
    usual.set(&context(), &with(write("enc||ever", "1"), "ttlInSeconds", "-1")).await.unwrap();
    for (key, life, fields) in RECORDED {
        assert_eq!(redis.command(&["HGETALL", key]).unwrap(), fields.join("\n"), "{key}");
        let left: i64 = redis.command(&["TTL", key]).unwrap().parse().unwrap();
        assert!(left <= *life && left >= (*life - 20).max(-1), "{key} lives {left} s instead of {life}");
    }
}

#[tokio::test]
async fn what_the_target_wrote_is_read_and_written_on() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = state(&[("redisHost", &redis.address())]).await.unwrap();
    for (key, life, fields) in RECORDED {
        let words: Vec<&str> = ["HSET", key].into_iter().chain(fields.iter().copied()).collect();
        redis.command(&words).unwrap();
        if *life > 0 {
            redis.command(&["EXPIRE", key, &life.to_string()]).unwrap();
        }
    }
    for (key, life, fields) in RECORDED {
        let version = fields[fields.len() - 1].to_owned();
        assert_eq!(get(&*store, key).await.unwrap(), Some((fields[1].to_owned(), version.clone())), "{key}");
        let request = component::state::GetRequest { key: (*key).to_owned(), ..Default::default() };
        let stored = store.get(&context(), &request).await.unwrap().unwrap();
        assert_eq!(stored.metadata.contains_key(component::state::TTL_EXPIRE_TIME), *life > 0, "{key}");
        let next = SetRequest { etag: Some(version.clone()), ..write(key, "next") };
        store.set(&context(), &next).await.unwrap();
        let expected = (version.parse::<u32>().unwrap() + 1).to_string();
        assert_eq!(get(&*store, key).await.unwrap(), Some(("next".to_owned(), expected)), "{key}");
    }
    // A plain value, from before the target kept hashes.
    redis.command(&["SET", "app||old", "text"]).unwrap();
    assert_eq!(get(&*store, "app||old").await.unwrap(), Some(("text".to_owned(), String::new())));
    set(&*store, "app||old", "new").await.unwrap();
    assert_eq!(redis.command(&["HGETALL", "app||old"]).unwrap(), "data\nnew\nversion\n1");
}

#[tokio::test]
async fn refusals_are_the_targets_and_those_of_the_differences() {
    let Some(redis) = Redis::alone().start() else { return };
    let store = state(&[("redisHost", &redis.address())]).await.unwrap();
    store.set(&context(), &first_write(write("first", "1"))).await.unwrap();
    let kind = |result: Result<(), component::Error>| result.unwrap_err().kind();
    // The mark of a first write keeps away every later write that shows no ETag.
    assert_eq!(kind(set(&*store, "first", "2").await), ErrorKind::EtagMismatch);
    let mut last = write("first", "2");
    last.options.concurrency = Concurrency::LastWrite;
    assert_eq!(kind(store.set(&context(), &last).await), ErrorKind::EtagMismatch);
    let malformed = SetRequest { etag: Some("x".to_owned()), ..write("first", "2") };
    assert_eq!(kind(store.set(&context(), &malformed).await), ErrorKind::EtagInvalid);
    let removal = DeleteRequest { key: "first".to_owned(), etag: Some("x".to_owned()), ..Default::default() };
    assert_eq!(kind(store.delete(&context(), &removal).await), ErrorKind::EtagMismatch);
    assert_eq!(get(&*store, "first").await.unwrap(), Some(("1".to_owned(), "1".to_owned())));
    redis.command(&["HSET", "foreign", "version", "alpha", "data", "1"]).unwrap();
    assert_eq!(kind(set(&*store, "foreign", "2").await), ErrorKind::Internal);
    assert_eq!(redis.command(&["HGET", "foreign", "data"]).unwrap(), "1");
}

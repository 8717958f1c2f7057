//! The target's layouts: what it stored is read, and what is stored is what it would have stored.

use component::state::{SetRequest, TTL_EXPIRE_TIME};
use component::{CallContext, Metadata};
use servers::Etcd;

use crate::ground::{get, open, set, start, value, write};

/// Lines of a full key and its value in hexadecimal.
const REFERENCE: &str = include_str!("../vectors/reference.txt");

const VALUES: [(&str, &[u8]); 5] = [
    ("json", br#"{"a":[1.5,"x"],"b":1}"#),
    ("text", b"\"hi\""),
    ("number", b"3"),
    ("ends", b"\"t\""),
    ("bytes", &[0, 255, 1]),
];

fn reference() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    REFERENCE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (key, digits) = line.split_once(' ').unwrap();
        let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
        (key, bytes.collect())
    })
}

#[tokio::test]
async fn what_the_target_stored_is_read() {
    let Some(server) = start(Etcd::alone()).await else { return };
    // Version 1 stores values as they are, so it can put what the target stored in place, byte for byte.
    let raw = open("v1", &[("endpoints", &server.address())]).await;
    for (key, bytes) in reference() {
        raw.set(&CallContext::default(), &write(key, bytes)).await.unwrap();
    }
    for (version, prefix) in [("v1", "/p1"), ("v2", "/p2")] {
        let store = open(version, &[("endpoints", &server.address()), ("keyPrefixPath", prefix)]).await;
        for (key, expected) in VALUES {
            assert_eq!(value(&*store, key).await.as_deref(), Some(expected), "{version} {key}");
        }
        let end = async |key: &str| {
            let stored = get(&*store, key).await.unwrap().unwrap();
            stored.metadata.get(TTL_EXPIRE_TIME).cloned()
        };
        let expected = (version == "v2").then(|| "2026-12-07T11:49:34Z".to_owned());
        assert_eq!((end("ends").await, end("text").await), (expected, None), "{version}");
    }
}

#[tokio::test]
async fn what_is_stored_is_what_the_target_stores() {
    let Some(server) = start(Etcd::alone()).await else { return };
    let raw = open("v1", &[("endpoints", &server.address())]).await;
    for (version, prefix) in [("v1", "/p1"), ("v2", "/p2")] {
        let store = open(version, &[("endpoints", &server.address()), ("keyPrefixPath", prefix)]).await;
        for (key, given) in VALUES {
            let mut request: SetRequest = write(key, given);
            if key == "ends" {
                request.metadata = Metadata::from([("ttlInSeconds".to_owned(), "1000000".to_owned())]);
            }
            store.set(&CallContext::default(), &request).await.unwrap();
        }
    }
    for (key, expected) in reference() {
        let stored = value(&*raw, key).await.unwrap();
        // The time of writing is the only thing that differs, and the life of zero that the target writes for none.
        assert_eq!(without_time(key, &stored), without_time(key, &expected), "{key}");
    }
    let etag = get(&*raw, "p1/text").await.unwrap().unwrap().etag.unwrap();
    let told = server.control(&["get", "/p1/text", "-w", "fields"]).unwrap();
    assert!(told.contains(&format!("\"ModRevision\" : {etag}")), "{told}");
    assert!(server.control(&["lease", "list"]).unwrap().contains("found 2 leases"));
}

/// The fields of an envelope without field 2; other values as they are.
fn without_time(key: &str, stored: &[u8]) -> Vec<u8> {
    if key.starts_with("p1/") {
        return stored.to_vec();
    }
    let (mut rest, mut kept) = (stored, Vec::new());
    while let [tag, length, tail @ ..] = rest {
        let (field, after) = tail.split_at(usize::from(*length));
        if *tag != 0x12 && !(*tag == 0x1a && field.is_empty()) {
            kept.extend([&[*tag, *length], field].concat());
        }
        rest = after;
    }
    kept
}

#[tokio::test]
async fn prefixes_keep_stores_apart() {
    let Some(server) = start(Etcd::alone()).await else { return };
    let one = open("v2", &[("endpoints", &server.address()), ("keyPrefixPath", "one")]).await;
    let two = open("v2", &[("endpoints", &server.address()), ("keyPrefixPath", "on")]).await;
    set(&*one, "a", "1").await.unwrap();
    assert_eq!(value(&*two, "a").await, None);
    let request = component::state::KeysRequest { pattern: "%".to_owned(), ..Default::default() };
    let listed = two.key_listing().unwrap().keys_like(&CallContext::default(), &request).await.unwrap();
    assert!(listed.keys.is_empty(), "{listed:?}");
}

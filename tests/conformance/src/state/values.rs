//! Single values: written, read, replaced, removed.

use bytes::Bytes;
use component::ErrorKind;
use component::state::{Concurrency, Consistency, GetRequest, Options, SetRequest};

use super::Subject;
use super::subject::context;

pub(super) async fn values_come_back_unchanged(subject: Subject) {
    assert_eq!(subject.get("never").await, None);
    let every_byte: Vec<u8> = (0..=255).collect();
    let values: [(&str, &[u8]); 12] = [
        ("text", b"hi"),
        ("json", br#"{"b":1,"a":[1.50,"x"],"b2":null}"#),
        ("json-text", br#""quoted""#),
        ("json-number", b"1.50"),
        ("not-json", b"{\"open\":"),
        ("empty", b""),
        ("space", b" \r\n\t "),
        ("unicode", "grüß 世界 🦀\n".as_bytes()),
        ("no-unicode", &[0xff, 0xfe, 0xc0, 0x80]),
        ("nul", b"a\0b\0"),
        ("every-byte", &every_byte),
        ("protobuf", &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ];
    for (name, value) in values {
        let request = SetRequest { value: Bytes::copy_from_slice(value), ..subject.write(name, "") };
        subject.try_set(&request).await.unwrap_or_else(|error| panic!("set {name}: {error}"));
    }
    for (name, value) in values {
        let stored = subject.get(name).await.unwrap_or_else(|| panic!("{name} is not there"));
        assert_eq!(&stored.data[..], value, "{name}");
    }
    for content_type in ["application/json", "application/octet-stream", "text/plain; charset=utf-8"] {
        for (name, value) in values {
            let request = SetRequest {
                value: Bytes::copy_from_slice(value),
                content_type: Some(content_type.to_owned()),
                ..subject.write("typed", "")
            };
            subject.try_set(&request).await.unwrap_or_else(|error| panic!("set {name} as {content_type}: {error}"));
            assert_eq!(&subject.get("typed").await.expect("it was written").data[..], value, "{name} {content_type}");
        }
    }
}

pub(super) async fn a_value_can_be_replaced_by_a_shorter_one(subject: Subject) {
    for value in ["a rather long value", "short", "", "x"] {
        subject.set("replaced", value).await;
        assert_eq!(subject.value("replaced").await.as_deref(), Some(value));
    }
}

pub(super) async fn a_removed_key_is_gone_and_removing_it_again_is_no_error(subject: Subject) {
    subject.set("gone", "1").await;
    for _ in 0..2 {
        subject.delete("gone").await;
        assert_eq!(subject.get("gone").await, None);
    }
    subject.set("gone", "2").await;
    assert_eq!(subject.value("gone").await.as_deref(), Some("2"));
}

pub(super) async fn ten_megabytes_are_kept_or_refused_clearly(subject: Subject) {
    let mut value = vec![0; 10 << 20];
    fastrand::Rng::with_seed(1).fill(&mut value);
    let value = Bytes::from(value);
    subject.set("big", "small").await;
    let request = SetRequest { value: value.clone(), ..subject.write("big", "") };
    match subject.try_set(&request).await {
        Ok(()) => assert!(subject.get("big").await.expect("it was written").data == value, "another value came back"),
        Err(error) => {
            assert!(value.len() > subject.backend.profile.limits.value_bytes, "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            assert_eq!(subject.value("big").await.as_deref(), Some("small"), "a refused write changes nothing");
        }
    }
    subject.set("after", "1").await;
    assert_eq!(subject.value("after").await.as_deref(), Some("1"));
}

pub(super) async fn consistency_and_concurrency_options_are_taken(subject: Subject) {
    for consistency in [Consistency::Unspecified, Consistency::Eventual, Consistency::Strong] {
        let options = Options { consistency, concurrency: Concurrency::LastWrite };
        for value in ["1", "2"] {
            subject.try_set(&SetRequest { options, ..subject.write("options", value) }).await.expect("set");
            let request = GetRequest { consistency, ..subject.read("options") };
            let stored = subject.store.get(&context(), &request).await.expect("get").expect("it was written");
            assert_eq!(&stored.data[..], value.as_bytes());
        }
        let removal = component::state::DeleteRequest { options, ..subject.removal("options") };
        subject.try_delete(&removal).await.expect("delete");
    }
}

pub(super) async fn what_one_component_writes_another_reads(subject: Subject) {
    let other = subject.another().await;
    subject.set("shared", "1").await;
    assert_eq!(other.value("shared").await.as_deref(), Some("1"));
    other.set("shared", "2").await;
    assert_eq!(subject.value("shared").await.as_deref(), Some("2"));
    other.delete("shared").await;
    assert_eq!(subject.get("shared").await, None);
}

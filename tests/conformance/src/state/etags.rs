//! ETags, one writer at a time. Several at once are in `contention`.

use bytes::Bytes;
use component::ErrorKind;
use component::state::{DeleteRequest, SetRequest};

use super::Subject;
use super::subject::FIRST_WRITE;

pub(super) async fn only_the_current_etag_is_accepted(subject: Subject) {
    subject.set("versioned", "1").await;
    let old = subject.etag("versioned").await;
    let update = SetRequest { etag: Some(old.clone()), ..subject.write("versioned", "2") };
    subject.try_set(&update).await.expect("the current ETag");
    for etag in [old, subject.backend.profile.etags.foreign.to_owned()] {
        let refused = SetRequest { etag: Some(etag.clone()), ..subject.write("versioned", "3") };
        assert_mismatch(&subject.try_set(&refused).await.expect_err("not the current ETag"));
        let refused = DeleteRequest { etag: Some(etag), ..subject.removal("versioned") };
        assert_mismatch(&subject.try_delete(&refused).await.expect_err("not the current ETag"));
    }
    assert_eq!(subject.value("versioned").await.as_deref(), Some("2"));

    let current = Some(subject.etag("versioned").await);
    let removal = DeleteRequest { etag: current.clone(), ..subject.removal("versioned") };
    subject.try_delete(&removal).await.expect("the current ETag");
    assert_eq!(subject.get("versioned").await, None);
    assert_mismatch(&subject.try_delete(&removal).await.expect_err("there is nothing with this ETag"));
    let late = SetRequest { etag: current, ..subject.write("versioned", "4") };
    assert_mismatch(&subject.try_set(&late).await.expect_err("there is nothing with this ETag"));
    let unmarked = SetRequest { etag: Some(String::new()), ..subject.write("versioned", "5") };
    subject.try_set(&unmarked).await.expect("an empty ETag is none");
    assert_eq!(subject.value("versioned").await.as_deref(), Some("5"));
}

pub(super) fn assert_mismatch(error: &component::Error) {
    assert_eq!(error.kind(), ErrorKind::EtagMismatch, "{error}");
}

pub(super) async fn an_etag_that_cannot_be_one_is_invalid(subject: Subject) {
    subject.set("versioned", "1").await;
    for malformed in subject.backend.profile.etags.malformed {
        let etag = Some((*malformed).to_owned());
        let write = SetRequest { etag: etag.clone(), ..subject.write("versioned", "2") };
        let error = subject.try_set(&write).await.expect_err("no ETag of this store");
        assert_eq!(error.kind(), ErrorKind::EtagInvalid, "{malformed:?}: {error}");
        let removal = DeleteRequest { etag, ..subject.removal("versioned") };
        let error = subject.try_delete(&removal).await.expect_err("no ETag of this store");
        assert_eq!(error.kind(), ErrorKind::EtagInvalid, "{malformed:?}: {error}");
    }
    assert_eq!(subject.value("versioned").await.as_deref(), Some("1"));
}

pub(super) async fn every_write_changes_the_etag(subject: Subject) {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        subject.set("same", "1").await;
        let etag = subject.etag("same").await;
        assert_eq!(etag, subject.etag("same").await, "reading changes nothing");
        assert!(seen.insert(etag), "two writes had one ETag: a writer between them would not be noticed");
    }
}

pub(super) async fn first_write_without_an_etag_only_makes_new_keys(subject: Subject) {
    for etag in [None, Some(String::new())] {
        subject.delete("first").await;
        let mut request = SetRequest { options: FIRST_WRITE, etag, ..subject.write("first", "1") };
        subject.try_set(&request).await.expect("the key is new");
        request.value = Bytes::from_static(b"2");
        assert_mismatch(&subject.try_set(&request).await.expect_err("the key is there"));
        assert_eq!(subject.value("first").await.as_deref(), Some("1"));
    }
}

pub(super) async fn first_write_with_an_etag_compares_it(subject: Subject) {
    subject.set("first", "1").await;
    let etag = Some(subject.etag("first").await);
    let mut request = SetRequest { options: FIRST_WRITE, etag, ..subject.write("first", "2") };
    subject.try_set(&request).await.expect("the current ETag");
    request.value = Bytes::from_static(b"3");
    assert_mismatch(&subject.try_set(&request).await.expect_err("the ETag is old"));
    assert_eq!(subject.value("first").await.as_deref(), Some("2"));
}

//! Bulk requests: every item for itself, failures by key.

use component::ErrorKind;
use component::state::{BulkError, BulkOptions, DeleteRequest, SetRequest};

use super::Subject;
use super::subject::{context, with_ttl};

pub(super) async fn bulk_reads_answer_every_key_in_order(subject: Subject) {
    subject.set("a", "1").await;
    subject.set("c", "3").await;
    let names = ["c", "b", "a", "b", "c"];
    let requests: Vec<_> = names.iter().map(|name| subject.read(name)).collect();
    for parallelism in [None, Some(1), Some(100)] {
        let items = subject.store.bulk_get(&context(), &requests, BulkOptions { parallelism }).await.expect("bulk get");
        let found: Vec<_> = items
            .into_iter()
            .map(|item| {
                let stored = item.result.expect("every key is readable");
                let etag_is_told = stored.as_ref().is_none_or(|stored| stored.etag.is_some() == subject.store.etag());
                assert!(etag_is_told, "the ETag of {}", item.key);
                (subject.name_of(&item.key), stored.map(|stored| stored.data))
            })
            .collect();
        let expected = [Some("3"), None, Some("1"), None, Some("3")].map(|value| value.map(Into::into));
        assert_eq!(found, names.map(str::to_owned).into_iter().zip(expected).collect::<Vec<_>>());
    }
    assert!(subject.store.bulk_get(&context(), &[], BulkOptions::default()).await.expect("bulk get").is_empty());
}

pub(super) async fn bulk_writes_and_removals_do_all(subject: Subject) {
    let names = ["1", "2", "3"];
    let writes = names.map(|name| subject.write(name, name));
    subject.store.bulk_set(&context(), &writes, BulkOptions::default()).await.expect("bulk set");
    assert_eq!(subject.values(&names).await, names.map(|name| Some(name.to_owned())));
    let removals = ["1", "3", "never"].map(|name| subject.removal(name));
    subject.store.bulk_delete(&context(), &removals, BulkOptions::default()).await.expect("bulk delete");
    assert_eq!(subject.values(&names).await, [None, Some("2".to_owned()), None]);
    subject.store.bulk_set(&context(), &[], BulkOptions::default()).await.expect("bulk set of nothing");
    subject.store.bulk_delete(&context(), &[], BulkOptions::default()).await.expect("bulk delete of nothing");
}

pub(super) async fn bulk_requests_of_many_keys_work(subject: Subject) {
    let names: Vec<String> = (0..1500).map(|number| format!("many-{number}")).collect();
    let writes: Vec<_> = names.iter().map(|name| subject.write(name, name)).collect();
    subject.store.bulk_set(&context(), &writes, BulkOptions::default()).await.expect("bulk set");
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = subject.values(&borrowed).await;
    assert!(found.iter().zip(&names).all(|(found, name)| found.as_ref() == Some(name)), "every key has its own value");
    let removals: Vec<_> = names.iter().map(|name| subject.removal(name)).collect();
    subject.store.bulk_delete(&context(), &removals, BulkOptions::default()).await.expect("bulk delete");
    assert!(subject.values(&borrowed).await.iter().all(Option::is_none));
}

pub(super) async fn bulk_failures_name_their_keys_and_spare_the_others(subject: Subject) {
    for name in ["good", "bad", "free"] {
        subject.set(name, "1").await;
    }
    let foreign = Some(subject.backend.profile.etags.foreign.to_owned());
    let writes = [
        SetRequest { etag: foreign.clone(), ..subject.write("bad", "2") },
        SetRequest { etag: Some(subject.etag("good").await), ..subject.write("good", "2") },
        subject.write("free", "2"),
    ];
    let error = subject.store.bulk_set(&context(), &writes, BulkOptions::default()).await.expect_err("one is refused");
    assert_only(&subject, &error, "bad");
    assert_eq!(error.kind(), ErrorKind::EtagMismatch);
    let values = ["2", "1", "2"].map(|value| Some(value.to_owned()));
    assert_eq!(subject.values(&["good", "bad", "free"]).await, values);

    let removals = [DeleteRequest { etag: foreign, ..subject.removal("bad") }, subject.removal("good")];
    let error = subject.store.bulk_delete(&context(), &removals, BulkOptions::default()).await;
    assert_only(&subject, &error.expect_err("one is refused"), "bad");
    assert_eq!(subject.values(&["good", "bad"]).await, [None, Some("1".to_owned())]);
}

fn assert_only(subject: &Subject, error: &BulkError, name: &str) {
    let BulkError::Items(items) = error else { panic!("{error} does not name its items") };
    let keys: Vec<_> = items.iter().map(|(key, error)| (key.clone(), error.kind())).collect();
    assert_eq!(keys, [(subject.key(name), ErrorKind::EtagMismatch)]);
}

pub(super) async fn a_bulk_write_names_a_bad_time_to_live(subject: Subject) {
    let writes = [with_ttl(subject.write("bad", "1"), "soon"), subject.write("good", "1")];
    match subject.store.bulk_set(&context(), &writes, BulkOptions::default()).await {
        Err(BulkError::Items(items)) => {
            let failed: Vec<_> = items.iter().map(|(key, error)| (key.clone(), error.kind())).collect();
            assert_eq!(failed, [(subject.key("bad"), ErrorKind::InvalidArgument)]);
            assert_eq!(subject.value("good").await.as_deref(), Some("1"));
        }
        Err(BulkError::Whole(error)) => assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}"),
        Ok(()) => panic!("a bad time to live was taken"),
    }
    assert_eq!(subject.get("bad").await, None);
}

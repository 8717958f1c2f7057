//! Several operations all or nothing, one caller at a time, and what readers beside it may see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use component::ErrorKind;
use component::state::{DeleteRequest, Operation, SetRequest};
use tokio::task::JoinSet;

use super::Subject;
use super::subject::{FIRST_WRITE, with_ttl};
use crate::Capability;

pub(super) async fn operations_are_done_in_order(subject: Subject) {
    subject.set("old", "1").await;
    let operations = vec![
        Operation::Upsert(subject.write("a", "1")),
        Operation::Upsert(subject.write("a", "2")),
        Operation::Delete(subject.removal("old")),
        Operation::Upsert(subject.write("b", "1")),
        Operation::Delete(subject.removal("b")),
        Operation::Delete(subject.removal("c")),
        Operation::Upsert(subject.write("c", "3")),
        Operation::Delete(subject.removal("never")),
    ];
    subject.transact(operations).await.expect("transact");
    let found = subject.values(&["a", "b", "c", "old", "never"]).await;
    assert_eq!(found, [Some("2".to_owned()), None, Some("3".to_owned()), None, None]);
    subject.transact(vec![Operation::Delete(subject.removal("absent"))]).await.expect("nothing to delete is no error");
}

pub(super) async fn an_empty_transaction_is_no_error(subject: Subject) {
    subject.transact(vec![]).await.expect("transact");
}

pub(super) async fn a_refused_operation_undoes_the_whole_transaction(subject: Subject) {
    subject.set("kept", "1").await;
    let mut refused = Vec::new();
    if subject.has(Capability::Ttl) {
        refused.push(Operation::Upsert(with_ttl(subject.write("kept", "2"), "soon")));
    }
    if subject.has(Capability::Etag) {
        let foreign = Some(subject.backend.profile.etags.foreign.to_owned());
        refused.push(Operation::Upsert(SetRequest { etag: foreign.clone(), ..subject.write("kept", "2") }));
        refused.push(Operation::Delete(DeleteRequest { etag: foreign.clone(), ..subject.removal("kept") }));
        refused.push(Operation::Delete(DeleteRequest { etag: foreign, ..subject.removal("absent") }));
        refused.push(Operation::Upsert(SetRequest { options: FIRST_WRITE, ..subject.write("kept", "2") }));
    }
    assert!(!refused.is_empty(), "a store with transactions has something to refuse");
    for operation in refused {
        let told = format!("{operation:?}");
        for first in [true, false] {
            let mut operations =
                vec![Operation::Upsert(subject.write("new", "2")), Operation::Delete(subject.removal("kept"))];
            operations.insert(if first { 0 } else { 1 }, operation.clone());
            let refusal = subject.transact(operations).await;
            let error = refusal.expect_err(&told);
            let clear = matches!(error.kind(), ErrorKind::EtagMismatch | ErrorKind::InvalidArgument);
            assert!(clear, "{told}: {:?} {error}", error.kind());
            assert_eq!(subject.values(&["new", "kept"]).await, [None, Some("1".to_owned())], "{told}");
        }
    }
}

pub(super) async fn etags_are_compared_in_a_transaction(subject: Subject) {
    for name in ["updated", "removed"] {
        subject.set(name, "1").await;
    }
    let (updated, removed) = (Some(subject.etag("updated").await), Some(subject.etag("removed").await));
    let operations = vec![
        Operation::Upsert(SetRequest { etag: updated, ..subject.write("updated", "2") }),
        Operation::Delete(DeleteRequest { etag: removed, ..subject.removal("removed") }),
        Operation::Upsert(SetRequest { options: FIRST_WRITE, ..subject.write("new", "1") }),
    ];
    subject.transact(operations.clone()).await.expect("every ETag is the current one");
    let found = subject.values(&["updated", "removed", "new"]).await;
    assert_eq!(found, [Some("2".to_owned()), None, Some("1".to_owned())]);
    let error = subject.transact(operations).await.expect_err("every ETag is an old one");
    assert_eq!(error.kind(), ErrorKind::EtagMismatch, "{error}");
}

pub(super) async fn a_transaction_of_many_operations_works(subject: Subject) {
    let names: Vec<String> = (0..100).map(|number| format!("many-{number}")).collect();
    let transactional = subject.store.transactional().expect("the backend declares transactions");
    let most = transactional.maximum_operations().unwrap_or(usize::MAX);
    for names in names.chunks(most) {
        let upserts = names.iter().map(|name| Operation::Upsert(subject.write(name, name))).collect();
        subject.transact(upserts).await.expect("transact");
    }
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(subject.values(&borrowed).await.iter().zip(&names).all(|(found, name)| found.as_ref() == Some(name)));
    if most < usize::MAX {
        let upserts = (0..=most).map(|number| Operation::Upsert(subject.write(&format!("over-{number}"), "1")));
        let error = subject.transact(upserts.collect()).await.expect_err("more than it takes");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(subject.get("over-0").await, None);
    }
}

/// Reads first one key, then the other: the second may be newer, never older, because both change as one.
pub(super) async fn no_reader_sees_half_a_transaction(subject: Subject) {
    // Where the parts are seen one by one, a tag keeps the keys of a transaction together.
    let [left, right] = match subject.has(Capability::TransactionsInParts) {
        true => ["{tag}left", "{tag}right"],
        false => ["left", "right"],
    };
    let both =
        |number: u32| [left, right].map(|name| Operation::Upsert(subject.write(name, &number.to_string()))).to_vec();
    subject.transact(both(0)).await.expect("transact");
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for (first, second) in [(left, right), (right, left)] {
        let (reader, over) = (subject.another().await, Arc::clone(&over));
        readers.spawn(async move {
            let number =
                async |name| reader.value(name).await.expect("never removed").parse::<u32>().expect("a number");
            let mut reads = 0;
            while !over.load(Ordering::SeqCst) || reads == 0 {
                let earlier = number(first).await;
                let later = number(second).await;
                assert!(later >= earlier, "{second} is {later} after {first} was {earlier}");
                reads += 1;
            }
        });
    }
    for number in 1..=200 {
        subject.transact(both(number)).await.expect("transact");
    }
    over.store(true, Ordering::SeqCst);
    while let Some(reader) = readers.join_next().await {
        reader.expect("no reader saw half a transaction");
    }
}

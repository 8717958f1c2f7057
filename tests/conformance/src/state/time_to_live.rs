//! Values that end. Waits are short, and none where the store takes its time from us.

use std::time::Duration;

use component::state::{BulkOptions, GetRequest, Operation, SetRequest, TTL_EXPIRE_TIME};
use component::{ErrorKind, Metadata};

use super::Subject;
use super::subject::{FIRST_WRITE, context, with_ttl};
use crate::Capability;

/// How long a store may take to notice that a second is over: some count whole seconds, some have a shortest time.
const NOTICED: Duration = Duration::from_secs(6);

pub(super) async fn a_bad_time_to_live_is_refused(subject: Subject) {
    for bad in ["soon", "1.5", "1s", "0x10", " 1", "99999999999999999999"] {
        let error = subject.try_set(&with_ttl(subject.write("bad", "1"), bad)).await.expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad:?}: {error}");
    }
    assert_eq!(subject.get("bad").await, None);
}

pub(super) async fn a_value_ends_after_its_time_and_not_before(subject: Subject) {
    for name in ["brief", "brief-too"] {
        subject.try_set(&with_ttl(subject.write(name, "1"), "2")).await.expect("set");
    }
    subject.try_set(&with_ttl(subject.write("long", "1"), "1000")).await.expect("set");
    subject.set("ever", "1").await;
    for name in ["brief", "brief-too", "long", "ever"] {
        assert_eq!(subject.value(name).await.as_deref(), Some("1"), "{name} ended before its time");
    }
    subject.pass(Duration::from_millis(2100)).await;
    subject.gone_within("brief", NOTICED).await;
    subject.gone_within("brief-too", NOTICED).await;
    let found = subject.values(&["brief", "brief-too", "long", "ever"]).await;
    assert_eq!(found, [None, None, Some("1".to_owned()), Some("1".to_owned())]);
    subject.set("brief", "2").await;
    assert_eq!(subject.value("brief").await.as_deref(), Some("2"));
}

pub(super) async fn a_later_write_without_a_time_to_live_clears_it(subject: Subject) {
    let clearing: [(&str, Option<&str>); 4] =
        [("minus", Some("-1")), ("zero", Some("0")), ("empty", Some("")), ("omitted", None)];
    for (name, given) in clearing {
        subject.try_set(&with_ttl(subject.write(name, "1"), "2")).await.expect("set");
        let again = subject.write(name, "2");
        let again = given.map_or(again.clone(), |given| with_ttl(again, given));
        subject.try_set(&again).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    subject.pass(Duration::from_millis(3100)).await;
    for (name, given) in clearing {
        if given.is_none_or(str::is_empty) && subject.has(Capability::KeepsEnd) {
            subject.gone_within(name, NOTICED).await;
            continue;
        }
        let stored = subject.get(name).await.unwrap_or_else(|| panic!("{name}: it ended though its end was cleared"));
        assert_eq!(&stored.data[..], b"2");
        assert_eq!(stored.metadata.get(TTL_EXPIRE_TIME), None, "{name}");
    }
}

pub(super) async fn an_ended_value_counts_as_absent_for_etags(subject: Subject) {
    subject.try_set(&with_ttl(subject.write("brief", "1"), "1")).await.expect("set");
    let etag = subject.etag("brief").await;
    subject.pass(Duration::from_millis(1100)).await;
    subject.gone_within("brief", NOTICED).await;
    let late = SetRequest { etag: Some(etag), ..subject.write("brief", "2") };
    let error = subject.try_set(&late).await.expect_err("the value with this ETag ended");
    assert_eq!(error.kind(), ErrorKind::EtagMismatch, "{error}");
    let anew = SetRequest { options: FIRST_WRITE, ..subject.write("brief", "3") };
    subject.try_set(&anew).await.expect("the value ended, so the key is new");
    assert_eq!(subject.value("brief").await.as_deref(), Some("3"));
}

pub(super) async fn a_time_to_live_in_a_transaction_counts(subject: Subject) {
    subject.try_set(&with_ttl(subject.write("cleared", "1"), "2")).await.expect("set");
    let operations = vec![
        Operation::Upsert(with_ttl(subject.write("brief", "1"), "1")),
        Operation::Upsert(subject.write("cleared", "2")),
        Operation::Upsert(with_ttl(subject.write("long", "1"), "1000")),
    ];
    subject.transact(operations).await.expect("transact");
    subject.pass(Duration::from_millis(2100)).await;
    subject.gone_within("brief", NOTICED).await;
    let found = subject.values(&["cleared", "long"]).await;
    let cleared = (!subject.has(Capability::KeepsEnd)).then(|| "2".to_owned());
    assert_eq!(found, [cleared, Some("1".to_owned())]);
}

pub(super) async fn an_ended_key_is_not_listed(subject: Subject) {
    subject.try_set(&with_ttl(subject.write("1", "1"), "1")).await.expect("set");
    subject.set("2", "1").await;
    subject.try_set(&with_ttl(subject.write("3", "1"), "1")).await.expect("set");
    subject.pass(Duration::from_millis(1100)).await;
    for name in ["1", "3"] {
        subject.gone_within(name, NOTICED).await;
    }
    assert_eq!(subject.listed("%").await, ["2"]);
}

pub(super) async fn the_end_is_told_on_every_read(subject: Subject) {
    let expected = subject.now() + Duration::from_secs(1000);
    subject.try_set(&with_ttl(subject.write("long", "1"), "1000")).await.expect("set");
    subject.set("ever", "1").await;
    let single = subject.get("long").await.expect("it was written").metadata;
    let requests: [GetRequest; 2] = [subject.read("long"), subject.read("ever")];
    let items = subject.store.bulk_get(&context(), &requests, BulkOptions::default()).await.expect("bulk get");
    let metadata: Vec<Metadata> =
        items.into_iter().map(|item| item.result.expect("get").expect("it was written").metadata).collect();
    let [bulk, ever] = metadata.try_into().expect("one item per key");
    for told in [single.get(TTL_EXPIRE_TIME), bulk.get(TTL_EXPIRE_TIME)] {
        let told = told.expect("the end is told");
        assert!(told.ends_with('Z') && !told.contains('.'), "{told} is not in UTC with whole seconds");
        let told: jiff::Timestamp = told.parse().unwrap_or_else(|error| panic!("{told}: {error}"));
        let expected = jiff::Timestamp::try_from(expected).expect("a time of this age");
        let off = told.as_second() - expected.as_second();
        assert!((-5..=5).contains(&off), "{told} is {off} s from {expected}");
    }
    assert_eq!(ever.get(TTL_EXPIRE_TIME), None);
    assert_eq!(subject.get("ever").await.expect("it was written").metadata.get(TTL_EXPIRE_TIME), None);
}

pub(super) async fn an_end_beyond_all_calendars_is_refused_or_kept(subject: Subject) {
    for life in ["2147483647", "4294967296", "300000000000", "9223372036854775807"] {
        match subject.try_set(&with_ttl(subject.write("far", life), life)).await {
            Ok(()) => assert_eq!(subject.value("far").await.as_deref(), Some(life), "{life} s are not over yet"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{life}: {error}"),
        }
    }
}
